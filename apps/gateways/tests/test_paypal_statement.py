"""PayPal's account with us, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.core import ids
from apps.gateways import providers, statements
from apps.gateways.tests.desk import refunded
from apps.gateways.tests.test_paypal import AtPayPal, PayPalSide
from apps.gateways.types import (
    Declined,
    LineKind,
    Operation,
    OutcomeUnknown,
    StatementLine,
)
from apps.sagas.definition import Outcome


class TestStatement(AtPayPal):
    """Lines of PayPal's account with us, as they will be booked."""

    def lines(self, side: PayPalSide, **asked: str) -> list[StatementLine]:
        """Everything the account knows of, hours later."""
        side.simulator.advance_clock(side.paypal.reporting_delay_seconds)
        since = None if asked else datetime.now(UTC) - timedelta(days=40)
        return list(statements.fetch(provider="paypal", since=since, **asked))

    def test_charges_refunds_and_the_payout_are_told_with_their_payment(self, desk, side):
        reference = desk.captured()
        refund = refunded(desk.send(desk.request(Operation.REFUND, reference, amount=4_000)))
        capture = providers.get("paypal").find_payment(reference).capture_reference
        side.paypal.pay_out()

        found = {line.kind: line for line in self.lines(side)}

        assert set(found) == {LineKind.CHARGE, LineKind.REFUND, LineKind.PAYOUT}
        charge, back = found[LineKind.CHARGE], found[LineKind.REFUND]
        assert (charge.gross_minor, charge.fee_minor, charge.currency) == (10_000, 398, "USD")
        assert (back.gross_minor, back.fee_minor) == (-4_000, 0)
        assert charge.payment_reference == back.payment_reference == capture
        assert (charge.line_reference, back.line_reference) == (capture, refund.provider_reference)
        assert charge.payment_public_id == ids.encode("pay", desk.payment_id)
        for line in found.values():
            assert line.net_minor == line.gross_minor - line.fee_minor
        assert found[LineKind.PAYOUT].gross_minor == -(charge.net_minor + back.net_minor)

    def test_a_line_is_told_hours_after_it_happened(self, desk, side):
        desk.captured()
        since = datetime.now(UTC) - timedelta(days=1)

        assert list(statements.fetch(provider="paypal", since=since)) == []
        assert len(self.lines(side)) == 1

    def test_a_payout_took_along_what_came_since_the_one_before(self, desk, side):
        desk.captured()
        first = side.paypal.pay_out()[0]["id"]
        second_charge, third_charge = desk.captured(), desk.captured()
        second = side.paypal.pay_out()[0]["id"]
        desk.captured()
        captures = {
            providers.get("paypal").find_payment(each).capture_reference
            for each in (second_charge, third_charge)
        }

        lines = self.lines(side, payout=second)

        charges = [line for line in lines if line.kind is LineKind.CHARGE]
        assert {line.line_reference for line in charges} == captures
        assert {line.payout_reference for line in lines} == {second}
        assert [line.kind for line in lines].count(LineKind.PAYOUT) == 1
        assert len(self.lines(side, payout=first)) == 2

    def test_payouts_of_other_currencies_took_along_nothing_of_it(self, desk, side):
        desk.captured()
        euros = desk.created(currency="EUR")
        desk.send(desk.request(Operation.CONFIRM, euros))
        capture = replace(desk.request(Operation.CAPTURE, euros), currency="EUR")
        assert desk.send(capture).outcome is Outcome.SUCCEEDED
        paid_out = {each["amount"]["currency_code"]: each["id"] for each in side.paypal.pay_out()}

        for currency, payout in paid_out.items():
            assert {line.currency for line in self.lines(side, payout=payout)} == {currency}

    def test_a_payout_that_is_not_there_is_no_empty_list(self, desk, side):
        with pytest.raises(OutcomeUnknown) as caught:
            self.lines(side, payout="NOBODYSPAYOUT0001")

        assert caught.value.reason == "payout_missing"

    def test_lines_come_page_by_page_and_every_one_once(self, desk, side, monkeypatch):
        monkeypatch.setattr("apps.gateways.providers.paypal.statement.PAGE_SIZE", 2)
        references = {desk.captured() for _ in range(5)}

        lines = self.lines(side)

        assert len(lines) == len({line.line_reference for line in lines}) == len(references) == 5

    def test_a_span_with_too_many_lines_is_asked_for_in_parts(self, desk, side, monkeypatch):
        for days in (0, 1, 1, 20):
            side.simulator.advance_clock(days * 86_400)
            desk.captured()
        asked: list[tuple[str, str]] = []
        report = side.provider._report

        def small(params: dict[str, str]) -> object:
            found = report(params)
            asked.append((params["start_date"], params["end_date"]))
            if len(found.lines) > 1 and params["page"] == "1":
                raise Declined("provider_rejected", provider_code="RESULTSET_TOO_LARGE")
            return found

        monkeypatch.setattr(side.provider, "_report", small)
        monkeypatch.setattr("apps.gateways.providers.paypal.statement._AHEAD", timedelta(days=30))

        lines = self.lines(side)

        assert len(lines) == len({line.line_reference for line in lines}) == 4
        assert len(asked) > 4

    def test_a_provider_that_cannot_be_asked_gives_no_short_list(self, desk, side):
        desk.captured()
        side.simulator.fault("paypal_report", "unavailable", times=-1)

        with pytest.raises(OutcomeUnknown):
            self.lines(side)

    def test_a_question_that_it_refuses_needs_a_person(self, desk, side, monkeypatch):
        monkeypatch.setattr("apps.gateways.providers.paypal.statement.PAGE_SIZE", 501)

        with pytest.raises(OutcomeUnknown) as caught:
            self.lines(side)

        assert (caught.value.reason, caught.value.alert) == ("report_refused", True)

    def test_a_dispute_takes_money_and_one_that_is_won_brings_it_back(self, desk, side):
        reference = desk.captured()
        capture = providers.get("paypal").find_payment(reference).capture_reference
        dispute = side.paypal.dispute(capture)
        side.paypal.resolve(dispute["dispute_id"], won=True)

        found = {line.kind: line for line in self.lines(side)}

        assert found[LineKind.DISPUTE].gross_minor == -10_000
        assert found[LineKind.DISPUTE_REVERSAL].gross_minor == 10_000
        assert found[LineKind.DISPUTE].payment_reference == capture
