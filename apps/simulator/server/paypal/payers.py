"""Who pays: vaulted tokens that each pay in their own way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payer:
    account_id: str = "QYR5Z8XDVJNXQ"
    email: str = "payer@example.com"
    given_name: str = "Pat"
    surname: str = "Payer"
    issue: str = ""  # why an authorization is refused
    authorization: str = "CREATED"  # CREATED | DENIED | PENDING, which becomes CREATED later
    capture: str = "COMPLETED"  # COMPLETED | DECLINED | PENDING, which becomes COMPLETED later
    refund: str = "completed"  # completed | pending_first | fails_later
    dispute: str = ""  # the reason of the dispute that follows the capture


GOOD = "payer_good"

# By the vault id (or the id of an older billing agreement) that names them.
PAYERS: dict[str, Payer] = {
    GOOD: Payer(),
    "B-5MM75364DX123456A": Payer(),
    "payer_instrument_declined": Payer(issue="INSTRUMENT_DECLINED"),
    "payer_cannot_pay": Payer(issue="PAYER_CANNOT_PAY"),
    "payer_locked": Payer(issue="PAYER_ACCOUNT_LOCKED_OR_CLOSED"),
    "payer_over_limit": Payer(issue="TRANSACTION_LIMIT_EXCEEDED"),
    "payer_of_restricted_payee": Payer(issue="PAYEE_ACCOUNT_RESTRICTED"),
    "payer_refused": Payer(issue="TRANSACTION_REFUSED"),
    "payer_card_expired": Payer(issue="REFERENCED_CARD_EXPIRED"),
    "payer_agreement_canceled": Payer(issue="AGREEMENT_ALREADY_CANCELLED"),
    "payer_must_act": Payer(issue="PAYER_ACTION_REQUIRED"),
    "payer_denied": Payer(authorization="DENIED"),
    "payer_under_review": Payer(authorization="PENDING"),
    "payer_capture_declined": Payer(capture="DECLINED"),
    "payer_capture_pending": Payer(capture="PENDING"),
    "payer_refund_pending": Payer(refund="pending_first"),
    "payer_refund_fails": Payer(refund="fails_later"),
    "payer_disputes": Payer(dispute="UNAUTHORISED"),
}
