"""What the tests of the API share: a good request, and the one form of a refusal."""

from apps.core import errors

ORDER = {"amount": 1000, "currency": "USD"}
CARD = "4242424242424242"
KEYS = {"type", "code", "message", "param", "decline_code", "request_id", "doc_url"}


def assert_error(response, status, code, param=None):
    """The answer is this error, in the one form there is; returns its message."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    error = response.json()["error"]
    assert set(error) >= KEYS
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == errors.type_of(status)
    assert error["request_id"] == response.headers["Request-Id"]
    assert error["doc_url"] == "/docs#errors"
    return error["message"]
