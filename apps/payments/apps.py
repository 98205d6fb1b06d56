from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"

    def ready(self) -> None:
        from apps.core import crypto
        from apps.notifications import selectors as notifications
        from apps.payments import (
            checks,  # noqa: F401 - registers what it checks
            models,
            public,
            selectors,
        )
        from apps.payments.sagas import charge, dispute, payout, refund
        from apps.payments.services import erasing
        from apps.sagas import definition
        from apps.wallets import services as wallets

        crypto.register(table="payments_dispute_evidence", column="texts_encrypted")
        crypto.register(table="payments_dispute_file", column="name_encrypted")
        crypto.register(table="payments_dispute_file", column="content_encrypted", batch=1)
        for saga in (
            charge.CHARGE,
            refund.REFUND,
            refund.REFUND_CHECK,
            payout.PAYOUT,
            payout.PAYOUT_CHECK,
            dispute.DISPUTE,
        ):
            definition.register(saga)
        for model in (models.Payment, models.Refund, models.Payout, models.Transfer):
            kind = model.__name__.lower()
            notifications.register_notes(kind, selectors.find_notes(model, public.NOTES[kind]))
        wallets.forget_too("payments", erasing.forget_notes)
