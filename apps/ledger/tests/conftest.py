import pytest

from apps.core.ids import new_id


@pytest.fixture
def book():
    """A merchant's book that nobody has written in."""
    return new_id()


@pytest.fixture
def wallet():
    return f"wallet:{new_id()}:available"
