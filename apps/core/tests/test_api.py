"""How any view of the API reads a request, on a small API of the tests' own (urls.py)."""

import json

import pytest

from apps.core import ids
from apps.core.tests.digits import shows_a_card
from apps.core.tests.expected import CARD, ORDER, assert_error

pytestmark = pytest.mark.urls("apps.core.tests.urls")


class TestBody:
    def test_a_good_one_reaches_the_view(self, post, seen):
        order = {**ORDER, "metadata": {"k": "v"}, "address": {"city": "Bern"}, "tags": ["a"]}

        assert post(order).status_code == 201
        assert seen == [{**order, "method": "automatic"}]

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", "Application/JSON"]
    )
    def test_content_type_may_be_written_otherwise(self, client, content_type):
        response = client.post("/v1/orders", json.dumps(ORDER), content_type=content_type)

        assert response.status_code == 201

    @pytest.mark.parametrize(
        "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
    )
    def test_none_is_the_empty_object(self, client, seen, content_type):
        response = client.generic("POST", "/v1/void", content_type=content_type)

        assert response.status_code == 200
        assert [type(body) for body in seen] == [dict]  # no QueryDict either
        assert seen == [{}]

    @pytest.mark.parametrize(
        "raw",
        [
            *[b"{", b"null", b"[]", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}'],
            *[b'{"a":"\\u0000"}', b'{"a":' + b"[" * 1000, b'{"a":' + b"9" * 5000 + b"}"],
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/orders", "/v1/void"])
    def test_malformed_is_refused_and_runs_no_view(self, post, seen, raw, path):
        assert_error(post(raw, path), 400, "parameter_invalid")
        assert seen == []

    @pytest.mark.parametrize("path", ["/v1/orders", "/v1/void"])
    def test_too_large_is_refused(self, post, seen, path):
        body = {"a": "x" * 10_000_000}

        assert "256 kB" in assert_error(post(body, path), 413, "body_too_large")
        assert seen == []

    @pytest.mark.parametrize(
        "content_type",
        ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""],
    )
    def test_that_is_not_json_is_refused(self, client, seen, content_type):
        for path in ("/v1/orders", "/v1/void"):
            response = client.generic("POST", path, b"amount=1", content_type=content_type)
            assert_error(response, 415, "media_type_unsupported")
        assert seen == []

    def test_of_unannounced_length_is_refused(self, client, seen):
        response = client.generic("POST", "/v1/void", headers={"Transfer-Encoding": "chunked"})

        assert_error(response, 411, "length_required")
        assert seen == []

    def test_of_a_get_is_looked_at_too(self, client, seen):
        raw = json.dumps({"card": CARD})

        response = client.generic("GET", "/v1/orders", raw, content_type="application/json")

        assert_error(response, 422, "card_data_not_allowed")
        assert seen == []


class TestFields:
    @pytest.mark.parametrize(
        ("change", "param"),
        [
            *[({"amount": a}, "amount") for a in (0, -1, 1.5, 10.0, "10", True, None, [], {})],
            *[({"amount": a}, "amount") for a in (10**12 + 1, 2**62, -(2**63), 1e300)],
            *[({"currency": c}, "currency") for c in ("usd", "XAU", "XXX", "DEM", "", 840, None)],
            *[({"currency": c}, "currency") for c in ("US", "USDX", ["USD"], " USD")],
            ({"unknown": 1}, "unknown"),
            ({"made_by": "me"}, "made_by"),
            ({"reference": 7}, "reference"),
            ({"reference": True}, "reference"),
            ({"reference": "x" * 256}, "reference"),
            ({"reference": ""}, "reference"),
            ({"is_gift": "true"}, "is_gift"),
            ({"is_gift": 1}, "is_gift"),
            ({"is_gift": None}, "is_gift"),
            ({"count": True}, "count"),
            ({"count": "3"}, "count"),
            ({"count": 3.0}, "count"),
            ({"count": -1}, "count"),
            ({"method": "other"}, "method"),
            ({"method": 1}, "method"),
            ({"method": []}, "method"),
            ({"address": "Bern"}, "address"),
            ({"address": []}, "address"),
            ({"address": {}}, "address[city]"),
            ({"address": {"city": 1}}, "address[city]"),
            ({"address": {"city": "B", "planet": "E"}}, "address[planet]"),
            ({"tags": "a"}, "tags"),
            ({"tags": {}}, "tags"),
            ({"tags": [1]}, "tags[0]"),
            ({"tags": ["a", "toolong"]}, "tags[1]"),
            ({"tags": ["a"] * 4}, "tags"),
            ({"metadata": "k"}, "metadata"),
            ({"metadata": ["k"]}, "metadata"),
            ({"metadata": {"k": 1}}, "metadata[k]"),
            ({"metadata": {"k": None}}, "metadata[k]"),
            ({"metadata": {"k": {"deep": "v"}}}, "metadata[k]"),
            ({"metadata": {"k": "x" * 501}}, "metadata[k]"),
            ({"metadata": {"x" * 41: "v"}}, "metadata"),
            ({"metadata": {"": "v"}}, "metadata"),
            ({"metadata": {"a[b]": "v"}}, "metadata"),
            ({"metadata": {f"k{i}": "v" for i in range(51)}}, "metadata"),
        ],
    )
    def test_wrong_ones_are_refused_by_name(self, post, seen, change, param):
        assert_error(post({**ORDER, **change}), 400, "parameter_invalid", param)
        assert seen == []

    @pytest.mark.parametrize("name", ["amount", "currency"])
    def test_missing_ones_are_refused_by_name(self, post, name):
        body = {key: value for key, value in ORDER.items() if key != name}

        assert_error(post(body), 400, "parameter_invalid", name)

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 1},
            {"amount": 10**12},
            {"currency": "JPY"},
            {"reference": " as it is "},
            {"reference": None},
            {"is_gift": False},
            {"tags": []},
            {"metadata": {}},
            {"metadata": {f"k{i}": "v" * 500 for i in range(50)}},
            {"metadata": {"k" * 40: "", "emoji": "\U0001f600"}},
        ],
    )
    def test_right_ones_pass_unchanged(self, post, seen, change):
        assert post({**ORDER, **change}).status_code == 201
        assert seen == [{**ORDER, "method": "automatic", **change}]

    def test_of_one_request_do_not_leak_into_the_next(self, post, seen):
        post({**ORDER, "metadata": {"k": "v"}, "address": {"city": "Bern"}})
        post(ORDER)

        assert seen[1] == {**ORDER, "method": "automatic"}


class TestCardData:
    @pytest.mark.parametrize(
        "body",
        [
            {**ORDER, "reference": CARD},
            {**ORDER, "metadata": {"note": "4242 4242 4242 4242"}},
            {**ORDER, "metadata": {CARD: "x"}},
            {**ORDER, "amount": int(CARD)},
            {**ORDER, "unknown": {"deep": [CARD]}},
            {"source": CARD},
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/orders", "/v1/void"])
    def test_in_a_body_is_refused(self, post, seen, body, path, capsys):
        response = post(body, path)

        assert_error(response, 422, "card_data_not_allowed")
        assert seen == []
        assert not shows_a_card(response.content.decode() + "".join(capsys.readouterr()))

    @pytest.mark.parametrize(
        "path",
        [
            f"/v1/orders?name={CARD}",
            f"/v1/orders?{CARD}=name",
            "/v1/orders?name=4242%204242%204242%204242",
            "/v1/orders?name=4242+4242+4242+4242",
            "/v1/orders?name=%34242424242424242",
            f"/v1/orders?name=a&name={CARD}",
            f"/v1/void/{CARD}",
            "/v1/void/4242-4242-4242-4242",
        ],
    )
    def test_in_an_address_is_refused(self, client, seen, path, capsys):
        response = client.get(path)

        assert_error(response, 422, "card_data_not_allowed")
        assert seen == []
        assert not shows_a_card(response.content.decode() + "".join(capsys.readouterr()))

    @pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "User-Agent", "X-Note"])
    def test_in_a_header_is_refused(self, post, seen, name):
        response = post(ORDER, **{name: f"x {CARD}"})

        assert_error(response, 422, "card_data_not_allowed")
        assert seen == []

    def test_in_two_headers_is_none(self, post):
        assert post(ORDER, **{"X-One": CARD[:8], "X-Two": CARD[8:]}).status_code == 201

    @pytest.mark.parametrize("name", ["X-Datadog-Trace-Id", "Traceparent", "X-Request-Id"])
    def test_is_not_looked_for_in_random_numbers_of_tracing(self, post, name):
        assert post(ORDER, **{name: "4000000000000000006"}).status_code == 201

    def test_is_not_looked_for_in_a_typed_bank_account(self, post):
        assert post({**ORDER, "account_number": CARD}).status_code == 201

    def test_is_looked_for_in_a_field_that_only_has_such_a_name(self, post, seen):
        response = post({**ORDER, "metadata": {"account_number": CARD}})

        assert_error(response, 422, "card_data_not_allowed")
        assert seen == []

    def test_is_not_seen_in_ids_and_times(self, client, post):
        order = {**ORDER, "metadata": {"at": "1700000000000", "id": str(ids.new_id())}}

        assert post(order).status_code == 201
        assert client.get(f"/v1/orders?name={ids.encode('pay', ids.new_id())}").status_code == 200


class TestQuery:
    def test_known_parameters_pass(self, client):
        assert client.get("/v1/orders?name=x&metadata[k]=v").status_code == 200

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("other=1", "other"),
            ("name=1&name=2", "name"),
            ("metadata=1", "metadata"),
            ("metadata[k=1", "metadata[k"),
            ("name=a%00b", "name"),
            ("metadata[%00]=1", "metadata[]"),
        ],
    )
    def test_others_do_not(self, client, seen, query, param):
        assert_error(client.get(f"/v1/orders?{query}"), 400, "parameter_invalid", param)
        assert seen == []

    def test_bytes_that_are_no_text_are_no_error_of_ours(self, client):
        assert client.get("/v1/orders?name=%ff%fe").status_code == 200

    def test_a_nul_in_the_path_is_refused(self, client, seen):
        assert_error(client.post("/v1/void/a%00b"), 400, "parameter_invalid")
        assert seen == []
