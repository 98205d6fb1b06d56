"""`/schema` and `/docs` of the project itself: offline, for everybody, and true."""

import re

from django.core.management import call_command

from apps.core import errors, schema
from apps.core.answers import error_body


class TestSchema:
    def test_is_openapi_for_everybody(self, client):
        document = client.get("/schema").json()

        assert document["openapi"].startswith("3.1")
        assert document["info"]["title"] == "Paysys API"

    def test_is_valid_and_made_without_a_warning(self, capsys, tmp_path):
        to = str(tmp_path / "schema.yml")

        call_command("spectacular", "--validate", "--fail-on-warn", "--file", to)

        assert "Warning" not in capsys.readouterr().err

    def test_names_each_operation_once(self, client):
        paths = client.get("/schema").json()["paths"]
        names = [call["operationId"] for calls in paths.values() for call in calls.values()]

        assert len(names) == len(set(names))

    def test_says_what_an_error_looks_like(self, client):
        document = client.get("/schema").json()

        error = document["components"]["schemas"]["Error"]["properties"]["error"]
        body = error_body(errors.NotFound(), "req_1")["error"]
        assert set(error["properties"]) == set(error["required"]) == set(body)

    def test_every_operation_may_answer_with_it(self):
        described = schema.describe_errors({"paths": {"/a": {"get": {"responses": {"200": {}}}}}})

        default = described["paths"]["/a"]["get"]["responses"]["default"]
        reference = default["content"]["application/json"]["schema"]["$ref"]
        assert reference == "#/components/schemas/Error"

    def test_is_only_to_be_read(self, client):
        assert client.post("/schema").status_code == 405


class TestDocs:
    def test_ask_no_other_server(self, client):
        page = client.get("/docs").content.decode()

        for address in re.findall(r"(?:src|href|data-schema)=\"([^\"]+)\"", page):
            assert address.startswith("/"), address
            assert not address.startswith("//"), address
        assert "http" not in page
        assert 'data-schema="/schema"' in page

    def test_hold_the_table_that_errors_point_to(self, client):
        page = client.get("/docs").content.decode()

        assert 'id="errors"' in page
        for error in (errors.NotFound, errors.CardDataNotAllowed, errors.Unavailable):
            assert f'id="error-{error.code}"' in page

    def test_table_has_a_sentence_for_every_error(self):
        assert all(row["says"] for row in schema.error_table())
        assert {row["type"] for row in schema.error_table()} <= {*errors.TYPES.values()} | {
            "idempotency_error"
        }
