"""Card numbers never enter: how one is recognized, refused and scrubbed.

A card number is a run of digits with a network's prefix *and* one of that network's lengths *and* a
valid Luhn sum. Spaces, dashes and dots inside it do not count, and it is no part of a longer run of
letters or digits. Luhn alone would refuse one in ten numbers of any length; all three together
refuse one in twenty-five of sixteen digits, and no millisecond timestamp, UUID or id of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from apps.core.errors import CardDataNotAllowed

REMOVED = "[card number removed]"

# (network, first digits from, to, lengths)
_NETWORKS: tuple[tuple[str, int, int, frozenset[int]], ...] = (
    ("visa", 4, 4, frozenset({13, 16, 19})),
    ("mastercard", 51, 55, frozenset({16})),
    ("mastercard", 2221, 2720, frozenset({16})),
    ("amex", 34, 34, frozenset({15})),
    ("amex", 37, 37, frozenset({15})),
    ("diners", 300, 305, frozenset({14, 16, 17, 18, 19})),
    ("diners", 3095, 3095, frozenset({14, 16, 17, 18, 19})),
    ("diners", 36, 36, frozenset({14, 16, 17, 18, 19})),
    ("diners", 38, 39, frozenset({14, 16, 17, 18, 19})),
    ("jcb", 3528, 3589, frozenset({16, 17, 18, 19})),
    ("discover", 6011, 6011, frozenset({16, 17, 18, 19})),
    ("discover", 644, 649, frozenset({16, 17, 18, 19})),
    ("discover", 65, 65, frozenset({16, 17, 18, 19})),
    ("unionpay", 62, 62, frozenset({16, 17, 18, 19})),
    ("unionpay", 81, 81, frozenset({16, 17, 18, 19})),
    *(
        ("maestro", prefix, prefix, frozenset(range(12, 20)))
        for prefix in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)
    ),
)


def _lengths_by_prefix() -> dict[str, frozenset[int]]:
    """The lengths that a card starting with these four digits may have, for all that have any."""
    lengths: dict[str, frozenset[int]] = {}
    for _, first, last, allowed in _NETWORKS:
        fill = 10 ** (4 - len(str(first)))
        for prefix in range(first * fill, (last + 1) * fill):
            lengths[str(prefix)] = lengths.get(str(prefix), frozenset()) | allowed
    return lengths


_LENGTHS = _lengths_by_prefix()
_NONE: frozenset[int] = frozenset()

# Also what a phone's keyboard or a word processor makes of a space, a dash or a dot.
_BETWEEN = r"[\s.\-\u00ad\u00b7\u2010-\u2015\u200b\u2060\u2212\u2022\ufe63\uff0d]"
# The cheap look: twelve digits with nothing but separators between them.
_SUSPECT = re.compile(rf"\d(?:{_BETWEEN}*\d){{11}}")
_SUSPECT_BYTES = re.compile(rb"[0-9](?:[\s.\-]*[0-9]){11}")
_RUN = re.compile(rf"\d+(?:{_BETWEEN}+\d+)*")
_DIGITS = re.compile(r"\d+")
_UUID = re.compile(r"(?<!\w)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)", re.IGNORECASE)

# The Luhn value of a digit, plain and in a doubled place.
_PLAIN = {str(digit): digit for digit in range(10)}
_DOUBLED = {str(digit): sum(divmod(2 * digit, 10)) for digit in range(10)}

# Typed bank-account fields, where a run of digits is what is asked for. A view that has them says
# so (`ApiView.exempt_fields`); anywhere else a field of such a name is looked into as any other.
BANK_ACCOUNT_FIELDS = frozenset({"account_number", "iban", "routing_number"})
# The largest amount (10^12 minor units) has fewer digits than any card but a short Maestro.
_AMOUNT_FIELDS = frozenset({"amount", "min_amount", "max_amount"})
_LARGEST_AMOUNT = 10**12
# Random decimal or hexadecimal numbers of tracing systems; nobody writes a card there.
_EXEMPT_HEADERS = (
    "HTTP_TRACE",
    "HTTP_X_B3_",
    "HTTP_B3",
    "HTTP_X_DATADOG_",
    "HTTP_X_AMZN_TRACE_ID",
    "HTTP_X_CLOUD_TRACE_CONTEXT",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_CORRELATION_ID",
    "HTTP_SENTRY_TRACE",
    "HTTP_BAGGAGE",
)


def is_suspect(raw: bytes) -> bool:
    """Whether JSON text may hold a card number at all; costs about a microsecond a kilobyte.

    Escapes and other alphabets' digits hide one from the cheap look, so they are suspect too.
    """
    return not raw.isascii() or b"\\u" in raw or _SUSPECT_BYTES.search(raw) is not None


def find_card_number(text: str) -> bool:
    """Whether the text holds a card number."""
    return _SUSPECT.search(text) is not None and next(_spans(text), None) is not None


def scrub(text: str) -> str:
    """The text with every card number in it removed."""
    if _SUSPECT.search(text) is None:
        return text
    parts, done = [], 0
    for start, end in _spans(text):
        parts += [text[done:start], REMOVED]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def refuse_card_numbers(payload: Any, *, exempt: frozenset[str] = frozenset()) -> None:
    """Refuse a decoded JSON value that holds a card number in any key, string or number.

    Texts under the names `exempt` in the outermost object are not looked into.

    :raises CardDataNotAllowed: it does. The error repeats nothing of it.
    """
    if exempt and isinstance(payload, dict):
        payload = {
            name: None if name in exempt and isinstance(value, str) else value
            for name, value in payload.items()
        }
    if any(map(find_card_number, _texts(payload, ""))):
        raise CardDataNotAllowed


def refuse_in_texts(*texts: str) -> None:
    """Refuse texts (a path, a query, header values) of which one holds a card number.

    :raises CardDataNotAllowed: one does.
    """
    for text in texts:
        if find_card_number(text):
            raise CardDataNotAllowed


def header_values(meta: Mapping[str, Any]) -> str:
    """All header values of a WSGI environment that are to be looked at, as one text."""
    # The bar is no separator, so neighbors do not join to a number.
    return "|".join(
        [
            value
            for name, value in meta.items()
            if name.startswith("HTTP_") and not name.startswith(_EXEMPT_HEADERS)
        ]
    )


def _texts(value: Any, name: str) -> Iterator[str]:
    """Every text of a decoded JSON value that could be a card number; `name` is its field."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, int | float):
        whole = int(value)  # the parser lets no infinity through
        if name not in _AMOUNT_FIELDS or whole > _LARGEST_AMOUNT:
            yield str(whole)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each card number in the text, from left to right, not overlapping."""
    if "-" in text:
        # Blanked, not cut, so that places stay; the letters keep neighbors from joining.
        text = _UUID.sub(lambda match: "u" * len(match[0]), text)
    for run in _RUN.finditer(text):
        groups = [match.span() for match in _DIGITS.finditer(text, *run.span())]
        if _is_word(text[run.start() - 1 : run.start()]):
            groups = groups[1:]
        if groups and _is_word(text[run.end() : run.end() + 1]):
            groups = groups[:-1]
        if groups:
            plus = text[groups[0][0] - 1 : groups[0][0]] == "+"
            yield from _cards_of(text, groups, is_phone=plus)


def _cards_of(
    text: str, groups: list[tuple[int, int]], *, is_phone: bool
) -> Iterator[tuple[int, int]]:
    """The cards among neighboring groups of digits: a card starts and ends where a group does."""
    digits = "".join(str(int(c)) for start, end in groups for c in text[start:end])
    offsets = [0, *accumulate(end - start for start, end in groups)]
    # Sums up to each place with the even and with the odd places doubled: any run's Luhn sum is
    # then one subtraction, whatever the number of ways to cut it.
    sums = (
        [0, *accumulate((_PLAIN, _DOUBLED)[i % 2][c] for i, c in enumerate(digits))],
        [0, *accumulate((_DOUBLED, _PLAIN)[i % 2][c] for i, c in enumerate(digits))],
    )
    first = 0
    while first < len(groups):
        start = offsets[first]
        lengths = _LENGTHS.get(digits[start : start + 4], _NONE)
        found = 0
        for after in range(first + 1, len(groups) + 1) if lengths else ():
            end = offsets[after]
            if end - start > 19:
                break
            if is_phone and first == 0 and end - start <= 14:
                continue  # an international number has a plus and at most so many digits
            # The last digit is a plain one.
            luhn = sums[(end - 1) % 2]
            if end - start in lengths and (luhn[end] - luhn[start]) % 10 == 0:
                found = after
        if found:
            yield groups[first][0], groups[found - 1][1]
        first = found or first + 1


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()
