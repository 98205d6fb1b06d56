"""The bank's statement: stored whole or not at all, a line once, however often it comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.payments import services
from apps.payments.models import BankReceipt
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.threads import at_once

TODAY = clock.now().date().isoformat()
GOOD = f"b1,{TODAY},100.00,USD,thanks"


def read(*lines: str, header: str = transfers.HEADER) -> None:
    text = "\n".join([header, *lines])
    services.import_statement(text=text, actor="staff:1", now=clock.now())


class TestABadFile:
    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("b2", "5 columns"),
            (f"b2,{TODAY},1.00,USD,a,b", "5 columns"),
            (f",{TODAY},1.00,USD,", "bank_reference"),
            (f"b 2,{TODAY},1.00,USD,", "bank_reference"),
            (f"{'b' * 101},{TODAY},1.00,USD,", "bank_reference"),
            ("b2,25.11.2026,1.00,USD,", "booked_on"),
            ("b2,,1.00,USD,", "booked_on"),
            ("b2,20261130,1.00,USD,", "booked_on"),
            ("b2,2026-W48-1,1.00,USD,", "booked_on"),
            ("b2,2026-02-30,1.00,USD,", "booked_on"),
            ("b2,2099-01-01,1.00,USD,", "booked_on"),
            ("b2,1999-12-31,1.00,USD,", "booked_on"),
            *((f"b2,{TODAY},{amount},USD,", "amount") for amount in ("", "x", "0", "0.00")),
            *((f"b2,{TODAY},{amount},USD,", "amount") for amount in ("-1.00", "1.001", "1e3")),
            *((f"b2,{TODAY},{amount},USD,", "amount") for amount in ("NaN", "+1", "١", "1_0")),
            (f"b2,{TODAY},99999999999999,USD,", "amount"),
            (f"b2,{TODAY},1.5,JPY,", "amount"),
            # Some write a thousand like this.
            *((f"b2,{TODAY},1.000,{currency},", "decimals") for currency in ("USD", "EUR", "JPY")),
            (f"b2,{TODAY},1.00,XAU,", "currency"),
            (f"b2,{TODAY},1.00,usd,", "currency"),
            (f"b2,{TODAY},1.00,USD,{'x' * 1_001}", "remittance"),
            (f"b1,{TODAY},100.01,USD,thanks", "differs from line 2"),
            (f'b2,{TODAY},1.00,USD,"never ended', "end of data"),
        ],
    )
    def test_is_refused_whole_with_the_number_of_the_line(self, line: str, problem: str) -> None:
        with pytest.raises(services.BadStatement) as refused:
            read(GOOD, line)

        ((number, said),) = refused.value.problems
        assert number == 3
        assert problem in said
        assert not BankReceipt.objects.exists()
        assert truth.violations() == {}

    @pytest.mark.parametrize("header", ["", "a,b", transfers.HEADER.replace(",", ";")])
    def test_without_the_header_is_refused(self, header: str) -> None:
        with pytest.raises(services.BadStatement, match="line 1: the columns are"):
            read(GOOD, header=header)

    def test_tells_every_bad_line_up_to_a_limit(self) -> None:
        with pytest.raises(services.BadStatement, match=r"line 2: .*line 21: .*10 more") as told:
            read(*["bad"] * 30)

        assert len(told.value.problems) == 30

    def test_of_too_many_lines_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apps.payments.services.bank_statements.MAX_LINES", 2)

        with pytest.raises(services.BadStatement, match="more than 2 lines"):
            read(*(f"b{i},{TODAY},1.00,USD," for i in range(3)))

    def test_that_tells_a_stored_line_differently_is_refused(self) -> None:
        read(GOOD)

        with pytest.raises(services.BadStatement, match="line 3: differs from what was imported"):
            read(f"b0,{TODAY},1.00,USD,", GOOD.replace("100.00", "200.00"))

        assert BankReceipt.objects.count() == 1


class TestAGoodFile:
    @pytest.mark.parametrize("odd", ["\x85", "\u2028", "\x1c", "\x0b", "\x0c"])
    def test_has_a_line_where_the_bank_ended_it(self, odd: str) -> None:
        read(f"b1,{TODAY},1.00,USD,thanks{odd}again", f"b2,{TODAY},1.000,KWD,")

        assert [str(r) for r in BankReceipt.objects.order_by("id")] == [
            *("b1 $1.00", "b2 KWD\N{NO-BREAK SPACE}1.000"),
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_ends_its_lines_as_it_likes(self, end: str) -> None:
        text = end.join([transfers.HEADER, GOOD, f'b2,{TODAY},1.00,USD,"two{end}lines"', ""])

        services.import_statement(text=text, actor="staff:1", now=clock.now())

        assert BankReceipt.objects.count() == 2


class TestTheSameFileAgain:
    def test_changes_nothing(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        lines = (("b1", "100.00", transfers.reference_of(made)), ("b2", "5.00", "?"))
        transfers.bank_tells(*lines, lines[0])
        before = truth.counts()

        transfers.bank_tells(*lines)

        assert truth.counts() == before
        assert BankReceipt.objects.count() == 2

    def test_by_two_at_once_is_booked_once(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)
        lines = [("b0", "100.00", reference), *((f"b{i}", "1.00", reference) for i in range(1, 9))]
        texts = [transfers.statement(*lines), transfers.statement(*reversed(lines))]

        at_once([lambda text=text: transfers.tell(text) for text in texts * 3])  # type: ignore[misc]
        finish_runs()

        assert BankReceipt.objects.count() == 9
        assert transfers.reasons() == ["short"] * 8
        assert merchant.payment(made["id"]).status == "SETTLED"
        assert merchant.balance("platform:bank").amount == 108
        assert truth.violations() == {}


class TestTheCommand:
    def test_books_a_file_and_says_how_much(
        self, merchant: Merchant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = transfers.ask(merchant)
        file = tmp_path / "statement.csv"
        text = transfers.statement(("b1", "100.00", transfers.reference_of(made)))
        file.write_text(f"\ufeff{text}", encoding="utf-8")

        call_command("import_bank_statement", file)
        call_command("import_bank_statement", file)
        finish_runs()

        said = capsys.readouterr().out.splitlines()
        assert said == ["1 lines, 1 new; 1 receipts booked.", "1 lines, 0 new; 0 receipts booked."]
        assert merchant.payment(made["id"]).status == "SETTLED"

    @pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"a,b\n"])
    def test_refuses_what_is_no_statement(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "statement.csv"
        file.write_bytes(content)

        with pytest.raises(CommandError):
            call_command("import_bank_statement", file)

    def test_refuses_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError):
            call_command("import_bank_statement", tmp_path / "none.csv")
