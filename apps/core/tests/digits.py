"""Whether a text shows the card that tests pay with."""

import re

# Two groups of it: four digits alone are a part of some moment's microseconds, too.
_CARD = re.compile(r"4242(\D{0,3}|%20)4242")


def shows_a_card(text: str) -> bool:
    return _CARD.search(text) is not None
