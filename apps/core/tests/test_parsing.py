import contextlib
import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import parsing
from apps.core.errors import BodyTooLarge, CardDataNotAllowed, InvalidRequest

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=4), inner),
    max_leaves=12,
)


def nested(depth, opening="[", closing="]"):
    return ('{"a":' + opening * (depth - 1) + closing * (depth - 1) + "}").encode()


def depth_of(value):
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


class TestLoads:
    @given(st.dictionaries(st.text("abc", max_size=5), VALUES), st.booleans())
    def test_reads_what_json_wrote(self, payload, ensure_ascii):
        raw = json.dumps(payload, ensure_ascii=ensure_ascii).encode()

        if depth_of(payload) <= parsing.MAX_DEPTH:
            assert parsing.loads(raw) == payload
        else:
            with pytest.raises(InvalidRequest, match="deeper"):
                parsing.loads(raw)

    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b"", "not valid JSON"),
            (b"   ", "not valid JSON"),
            (b"{", "not valid JSON"),
            (b'{"a":1', "not valid JSON"),
            (b'{"a":1}x', "not valid JSON"),
            (b'{"a":1,}', "not valid JSON"),
            (b"{'a':1}", "not valid JSON"),
            (b'{"a":01}', "not valid JSON"),
            (b'{"a":+1}', "not valid JSON"),
            (b'{"a":.5}', "not valid JSON"),
            (b'{"a":"\n"}', "not valid JSON"),
            (b'{"a":"\x00"}', "not valid JSON"),
            (b"\xef\xbb\xbf{}", "not valid JSON"),  # a byte order mark
            ('{"a":1}'.encode("utf-16"), "UTF-8"),
            (b'{"a":"\xff"}', "UTF-8"),
            (b'{"a":"\xed\xa0\x80"}', "UTF-8"),  # a surrogate's three bytes
            (b'{"a":"\xc0\x80"}', "UTF-8"),  # NUL in two bytes
            (b"[]", "object"),
            (b"null", "object"),
            (b'"a"', "object"),
            (b"1", "object"),
            (b'{"a":1,"a":1}', "twice"),
            (b'{"b":{"a":1,"\\u0061":2}}', "twice"),
            (b'{"a":NaN}', "NaN"),
            (b'{"a":Infinity}', "Infinity"),
            (b'{"a":-Infinity}', "-Infinity"),
            (b'{"a":1e400}', "too large"),
            (b'{"a":-1e400}', "too large"),
            (b'{"a":9223372036854775808}', "64 bits"),
            (b'{"a":-9223372036854775809}', "64 bits"),
            (b'{"a":' + b"9" * 200_000 + b"}", "64 bits"),
            (b'{"a":"\\u0000"}', "NUL"),
            (b'{"\\u0000":1}', "NUL"),
            (b'{"a":["x",{"b":"y\\u0000"}]}', "NUL"),
            (b'{"a":"\\ud800"}', "surrogate"),
            (b'{"a":"\\udc00\\ud800"}', "surrogate"),
            (b'{"\\udfff":1}', "surrogate"),
        ],
    )
    def test_refuses(self, raw, says):
        with pytest.raises(InvalidRequest, match=says) as caught:
            parsing.loads(raw)

        assert (caught.value.status, caught.value.code) == (400, "parameter_invalid")

    def test_takes_a_whole_surrogate_pair(self):
        assert parsing.loads(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}

    def test_takes_the_largest_integers(self):
        raw = b'{"a":9223372036854775807,"b":-9223372036854775808}'

        assert parsing.loads(raw) == {"a": 2**63 - 1, "b": -(2**63)}

    @pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
    def test_ten_levels_are_not_too_deep(self, brackets):
        opening, closing = brackets
        inner = "1" if opening == '{"a":' else ""
        raw = ('{"a":' + opening * 9 + inner + closing * 9 + "}").encode()

        assert parsing.loads(raw)

    @pytest.mark.parametrize("depth", [11, 12, 100, 999, 1000, 1001, 5000, 130_000])
    def test_more_are(self, depth):
        with pytest.raises(InvalidRequest, match="deeper"):
            parsing.loads(nested(depth))

    @pytest.mark.parametrize("depth", [1000, 100_000])
    def test_that_never_close_are_refused_as_well(self, depth):
        for start in (b"[", b'{"a":'):
            with pytest.raises(InvalidRequest):
                parsing.loads(b'{"a":' + start * depth)

    def test_brackets_side_by_side_are_not_deep(self):
        assert len(parsing.loads(b'{"a":[' + b"[]," * 9999 + b"[]]}")["a"]) == 10_000

    @given(st.binary(max_size=200))
    def test_no_bytes_are_an_error_of_ours(self, raw):
        with contextlib.suppress(InvalidRequest):
            parsing.loads(raw)


class Counting(io.RawIOBase):
    """A body that knows how much of it was read."""

    def __init__(self, size):
        self.left, self.taken = size, 0

    def read(self, size=-1):
        size = self.left if size < 0 else min(size, self.left)
        self.left, self.taken = self.left - size, self.taken + size
        return b" " * size


def parse(stream, announced=None):
    meta = {} if announced is None else {"CONTENT_LENGTH": str(announced)}
    context = {"request": SimpleNamespace(META=meta)}
    return parsing.StrictJSONParser().parse(stream, "application/json", context)


class TestParser:
    def test_an_announced_large_body_is_not_read(self):
        body = Counting(10_000_000)

        with pytest.raises(BodyTooLarge) as caught:
            parse(body, announced=10_000_000)

        assert (caught.value.status, body.taken) == (413, 0)

    def test_an_unannounced_one_is_read_to_the_limit(self):
        body = Counting(10_000_000)

        with pytest.raises(BodyTooLarge):
            parse(body)

        assert body.taken == parsing.MAX_BYTES + 1

    def test_the_largest_body_passes(self):
        raw = b'{"a":"' + b"x" * (parsing.MAX_BYTES - 8) + b'"}'

        assert len(raw) == parsing.MAX_BYTES
        assert parse(io.BytesIO(raw), len(raw))
        with pytest.raises(BodyTooLarge):
            parse(io.BytesIO(raw + b" "), len(raw) + 1)

    def test_a_caller_that_hangs_up_has_sent_no_body(self):
        class Broken(io.RawIOBase):
            def read(self, size=-1):
                raise ConnectionResetError

        with pytest.raises(InvalidRequest):
            parse(Broken(), 10)

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a":"4242424242424242"}',
            b'{"a":4242424242424242}',
            b'{"a":{"b":["4242-4242-4242-4242"]}}',
            b'{"4242 4242 4242 4242":1}',
            rb'{"a":"\u0034242424242424242"}',
        ],
    )
    def test_a_card_number_is_refused(self, raw):
        with pytest.raises(CardDataNotAllowed):
            parse(io.BytesIO(raw), len(raw))
