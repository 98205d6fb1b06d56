"""How every request is answered that went wrong, whoever found it."""

import pytest

from apps.core import errors, ids
from apps.core.answers import error_body
from apps.core.tests.expected import ORDER, assert_error

pytestmark = pytest.mark.urls("apps.core.tests.urls")


class TestRequestId:
    def test_is_in_the_header_of_every_answer(self, client, post):
        for response in (post(ORDER), client.get("/ok"), client.get("/nowhere")):
            assert ids.decode("req", response.headers["Request-Id"])

    def test_is_another_one_for_every_request(self, client):
        assert client.get("/ok")["Request-Id"] != client.get("/ok")["Request-Id"]

    def test_is_not_the_callers_to_choose(self, client):
        response = client.get("/ok", headers={"Request-Id": "mine"})

        assert response.headers["Request-Id"] != "mine"


class Sending:
    """A caller's body on its way: what was not taken from it would reset the connection."""

    def __init__(self, size):
        self.left = size

    def read(self, size):
        taken = min(size, self.left)
        assert taken <= 300_000, "read whole into memory"
        self.left -= taken
        return b"x" * taken

    readline = read


class TestUnreadBody:
    def send(self, client, path, size):
        body = Sending(size)
        response = client.generic(
            "POST",
            path,
            CONTENT_TYPE="application/json",
            CONTENT_LENGTH=size,
            **{"wsgi.input": body},
        )
        return response, body.left

    @pytest.mark.parametrize(
        ("path", "status"), [("/v1/orders", 413), ("/v1/nothing", 404), ("/outside/bug", 500)]
    )
    def test_is_taken_and_dropped(self, client, path, status):
        response, left = self.send(client, path, 10_000_000)

        assert (response.status_code, left) == (status, 0)

    def test_without_an_end_is_cut_off(self, client):
        response, left = self.send(client, "/v1/orders", 10**12)

        assert response.status_code == 413
        assert 0 < 10**12 - left <= 17 * 1024 * 1024


@pytest.mark.django_db  # whose connection is let go of
class TestErrors:
    @pytest.mark.parametrize(
        ("what", "status", "code"),
        [
            ("bug", 500, "internal_error"),
            ("away", 503, "unavailable"),
            ("closed", 503, "unavailable"),
            ("demoted", 503, "unavailable"),
            ("declined", 402, "card_declined"),
            ("unauthenticated", 401, "api_key_invalid"),
            ("unauthorized", 401, "api_key_invalid"),
            ("throttled", 429, "rate_limited"),
            ("forbidden", 403, "permission_denied"),
        ],
    )
    def test_of_every_kind_have_one_form(self, client, what, status, code):
        assert_error(client.get(f"/v1/raises/{what}"), status, code)

    def test_carry_the_facts_of_a_conflict(self, client):
        response = client.get("/v1/raises/conflict")

        assert assert_error(response, 409, "state_conflict", "amount") == "Too much."
        assert response.json()["error"]["remaining"] == 2500

    def test_carry_the_word_of_a_decline(self, client):
        error = client.get("/v1/raises/declined").json()["error"]

        assert error["decline_code"] == "insufficient_funds"

    @pytest.mark.parametrize(
        ("what", "name", "value"),
        [
            ("away", "Retry-After", "1"),
            ("throttled", "Retry-After", "3"),
            ("unauthorized", "WWW-Authenticate", "Bearer"),
        ],
    )
    def test_carry_their_headers(self, client, what, name, value):
        assert client.get(f"/v1/raises/{what}").headers[name] == value

    @pytest.mark.parametrize("what", ["bug", "away"])
    def test_of_ours_tell_nothing_of_the_inside(self, client, what):
        answer = client.get(f"/v1/raises/{what}").content.decode()

        assert not any(word in answer for word in ("secret", "db-1", "Traceback", "Error:"))

    def test_of_a_wrong_method_name_the_right_ones(self, client):
        response = client.put("/v1/orders", "{}", content_type="application/json")

        assert_error(response, 405, "method_not_allowed")
        assert set(response.headers["Allow"].split(", ")) >= {"GET", "POST"}
        assert_error(client.options("/v1/orders"), 405, "method_not_allowed")

    def test_of_an_unwanted_form(self, client):
        response = client.get("/v1/orders", headers={"Accept": "text/html"})

        assert_error(response, 406, "not_acceptable")

    def test_of_an_unknown_address(self, client):
        for path in ("/v1/nothing", "/v1/orders/", "/nothing", "/", "/v1/%ff"):
            assert_error(client.get(path), 404, "resource_missing")

    def test_of_a_host_that_is_not_ours(self, client):
        response = client.get("/v1/orders", headers={"Host": "evil.example"})

        assert_error(response, 400, "parameter_invalid")

    def test_outside_of_the_api_have_the_same_form(self, client):
        assert_error(client.get("/outside/bug"), 500, "internal_error")
        for what in ("away", "demoted"):
            response = client.get(f"/outside/{what}")
            assert_error(response, 503, "unavailable")
            assert response.headers["Retry-After"] == "1"

    def test_of_pages_are_for_people(self, client):
        for path, status in (("/admin/page", 500), ("/admin/nothing", 404)):
            response = client.get(path)
            assert response.status_code == status
            assert response.headers["Content-Type"].startswith("text/html")

    def test_and_all_answers_of_the_api_are_kept_by_nobody(self, client, post):
        for response in (post(ORDER), post({}), client.get("/v1/raises/conflict")):
            assert response.headers["Cache-Control"] == "no-store"


class TestErrorClasses:
    def test_take_their_type_from_their_status(self):
        class Gone(errors.DomainError):
            code, status = "gone", 422

        class Reused(Gone):
            type = "idempotency_error"

        assert (Gone.type, Reused.type) == ("invalid_request_error", "idempotency_error")
        assert (errors.Conflict.type, errors.CardError.type) == ("conflict_error", "card_error")

    def test_have_something_to_say(self):
        assert errors.Conflict().message == "State conflict."
        assert errors.NotFound().message == "No such object."
        assert errors.Conflict("Not now.").message == str(errors.Conflict("Not now.")) == "Not now."

    def test_body_has_every_key(self):
        body = error_body(errors.NotFound(), "req_1")

        assert body == {
            "error": {
                "type": "invalid_request_error",
                "code": "resource_missing",
                "message": "No such object.",
                "param": None,
                "decline_code": None,
                "request_id": "req_1",
                "doc_url": "/docs#errors",
            }
        }
