from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"

    def ready(self) -> None:
        from apps.payments.sagas import charge, dispute, payout, refund
        from apps.sagas import definition

        for saga in (
            charge.CHARGE,
            refund.REFUND,
            refund.REFUND_CHECK,
            payout.PAYOUT,
            payout.PAYOUT_CHECK,
            dispute.DISPUTE,
        ):
            definition.register(saga)
