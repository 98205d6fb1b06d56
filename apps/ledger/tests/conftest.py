import pytest

from apps.core.ids import new_id
from apps.ledger.tests.books import in_euros, post, violations


@pytest.fixture
def book():
    """A merchant's book that nobody has written in."""
    return new_id()


@pytest.fixture
def wallet():
    return f"wallet:{new_id()}:available"


@pytest.fixture
def tell(book):
    """Book a story, event by event, and hand back where it left the books."""

    def told(*events: str) -> dict[str, str]:
        for event in events:
            post(book, event)
        assert violations() == []
        return in_euros(book)

    return told
