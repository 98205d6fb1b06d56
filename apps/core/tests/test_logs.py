import io
import json
import logging

import pytest
import structlog
from django.test import Client

from apps.core import logs
from apps.core.tests.digits import shows_a_card

CARD = "4242424242424242"
KEY = "sk_test_abcdefghijklmnop"


@pytest.fixture
def lines(monkeypatch):
    """The objects logged so far, as they would stand on stderr."""
    stream = io.StringIO()
    handler = next(h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def configured():
    logs.configure({"level": "INFO"})
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


class TestLine:
    def test_is_one_object_with_time_level_and_request(self, lines):
        structlog.contextvars.bind_contextvars(request_id="req_1")
        structlog.get_logger("here").info("payment.captured", payment="pay_1", amount=1000)

        (line,) = lines()
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "payment.captured",
            "payment": "pay_1",
            "amount": 1000,
            "request_id": "req_1",
            "level": "info",
            "logger": "here",
        }

    def test_of_the_standard_library_has_the_same_form(self, lines):
        logging.getLogger("some.library").warning("retry %s of %d", "two", 3)

        (line,) = lines()
        assert (line["event"], line["level"]) == ("retry two of 3", "warning")

    def test_below_the_level_is_not_written(self, lines):
        structlog.get_logger("here").debug("nothing")
        logging.getLogger("here").debug("nothing")

        assert lines() == []

    def test_of_an_exception_has_its_trace_in_the_same_line(self, lines):
        try:
            raise ValueError(f"bad {CARD}")
        except ValueError:
            structlog.get_logger("here").exception("broken")

        (line,) = lines()
        assert "Traceback" in line["exception"]
        assert CARD not in line["exception"]

    def test_of_a_request_names_it_and_not_its_query(self, lines, settings):
        settings.ROOT_URLCONF = "apps.core.tests.urls"
        response = Client().get("/ok?secret=1")

        (line,) = lines()
        assert line["request_id"] == response.headers["Request-Id"]
        assert (line["method"], line["path"], line["status"]) == ("GET", "/ok", 200)
        assert "secret" not in json.dumps(line)


class TestScrubbed:
    @pytest.mark.parametrize(
        "facts",
        [
            {"note": f"card {CARD} declined"},
            {"note": "4242 4242\n4242-4242"},
            {"number": int(CARD)},
            {"payload": {"a": [{"b": CARD}]}},
            {"payload": {CARD: 1}},
            {"items": (CARD, CARD)},
            {"error": ValueError(CARD)},
            {"raw": CARD.encode()},
        ],
    )
    def test_of_card_numbers_wherever_they_are(self, lines, facts):
        structlog.get_logger("here").info(f"event {CARD}", **facts)

        (line,) = lines()
        assert not shows_a_card(json.dumps(line))

    @pytest.mark.parametrize(
        "facts",
        [
            {"note": f"called with {KEY}"},
            {"note": f"Authorization: Bearer {KEY}"},
            {"headers": {"Authorization": "Basic abcdefghijklmnop"}},
            {"password": "abcdefghijklmnop"},
            {"client_secret": "abcdefghijklmnop"},
            {"api_key": "abcdefghijklmnop"},
            {"config": {"db_password": "abcdefghijklmnop"}},
            {"endpoint": "whsec_abcdefghijklmnop"},
        ],
    )
    def test_of_secrets(self, lines, facts):
        structlog.get_logger("here").info("event", **facts)

        assert "abcdefghijklmnop" not in json.dumps(lines())

    def test_in_lines_of_libraries_too(self, lines):
        logging.getLogger("some.library").warning("sent %s with %s", CARD, KEY)

        (line,) = lines()
        assert CARD not in line["event"]
        assert "abcdefgh" not in line["event"]

    def test_of_nothing_else(self, lines):
        facts = {
            "payment": "pay_01m83k3n2qed4vky0mdganhxn2",
            "at": "2024-01-01T00:00:00.000000+00:00",
            "milliseconds": 1700000000000,
            "amount": 123456,
            "share": 0.25,
            "idempotency_key": "unique-key-123",
            "found": None,
            "done": True,
        }
        structlog.get_logger("here").info("event", **facts)

        (line,) = lines()
        assert {name: line[name] for name in facts} == facts


def test_for_people_there_is_a_plain_form(capsys):
    logs.configure({"format": "console"})
    structlog.get_logger("here").info("payment.captured", note=CARD)

    written = capsys.readouterr().err
    assert "payment.captured" in written
    assert not shows_a_card(written)


def test_a_line_that_cannot_be_written_is_not_shown_as_it_was(capsys, monkeypatch):
    logs.configure({})
    handler = logging.getLogger().handlers[-1]
    monkeypatch.setattr(handler, "format", lambda _: 1 / 0)

    structlog.get_logger("here").info("payment.captured", note=CARD)

    assert not shows_a_card("".join(capsys.readouterr()))
