"""Every public route, on one screen."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path
from django.views.generic import TemplateView

from apps.core import schema
from apps.notifications import api as notifications
from apps.payments import api as payments
from apps.payments import webhooks
from apps.wallets import api as wallets
from paysys import health

# What Django answers itself has the API's error body too.
handler400 = "apps.core.answers.bad_request"
handler403 = "apps.core.answers.permission_denied"
handler404 = "apps.core.answers.not_found"
handler500 = "apps.core.answers.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("schema", schema.schema, name="schema"),
    path("docs", schema.docs, name="docs"),
    path("v1/payments", payments.Payments.as_view()),
    path("v1/payments/<str:payment_id>", payments.OnePayment.as_view()),
    path("v1/payments/<str:payment_id>/capture", payments.Capture.as_view()),
    path("v1/payments/<str:payment_id>/void", payments.Void.as_view()),
    path("v1/payments/<str:payment_id>/refund", payments.RefundOfPayment.as_view()),
    path("v1/refunds", payments.Refunds.as_view()),
    path("v1/refunds/<str:refund_id>", payments.OneRefund.as_view()),
    path("v1/disputes", payments.Disputes.as_view()),
    path("v1/disputes/<str:dispute_id>", payments.OneDispute.as_view()),
    path("v1/disputes/<str:dispute_id>/evidence", payments.Evidence.as_view()),
    path("v1/disputes/<str:dispute_id>/files", payments.DisputeFiles.as_view()),
    path("v1/disputes/<str:dispute_id>/files/<str:file_id>", payments.OneDisputeFile.as_view()),
    path("v1/disputes/<str:dispute_id>/accept", payments.Accept.as_view()),
    path("v1/quotes", payments.Quotes.as_view()),
    path("v1/quotes/<str:quote_id>", payments.OneQuote.as_view()),
    path("v1/bank_accounts", payments.BankAccounts.as_view()),
    path("v1/bank_accounts/<str:bank_account_id>", payments.OneBankAccount.as_view()),
    path("v1/balance", payments.MerchantBalance.as_view()),
    path("v1/balance/statement", payments.BalanceStatement.as_view()),
    path("v1/balance_transactions", payments.BalanceTransactions.as_view()),
    path("v1/payouts", payments.Payouts.as_view()),
    path("v1/payouts/<str:payout_id>", payments.OnePayout.as_view()),
    path("v1/payouts/<str:payout_id>/items", payments.PayoutItems.as_view()),
    path("webhooks/<str:provider>", webhooks.receive),
    path("return", TemplateView.as_view(template_name="payments/return.html")),
    path("v1/customers", wallets.Customers.as_view()),
    path("v1/customers/<str:customer_id>", wallets.OneCustomer.as_view()),
    path("v1/wallets/<str:wallet_id>/top_up", payments.TopUps.as_view()),
    path("v1/wallets/<str:wallet_id>/withdraw", payments.Withdrawals.as_view()),
    path("v1/wallets/<str:wallet_id>/transfer", payments.WalletTransfers.as_view()),
    path("v1/wallets/<str:wallet_id>/holds/<str:hold_id>/capture", payments.HoldCapture.as_view()),
    path("v1/transfers", payments.Transfers.as_view()),
    path("v1/transfers/<str:transfer_id>", payments.OneTransfer.as_view()),
    path("v1/payment_methods", wallets.PaymentMethods.as_view()),
    path("v1/payment_methods/<str:payment_method_id>", wallets.OnePaymentMethod.as_view()),
    path(
        "v1/payment_methods/<str:payment_method_id>/detach", wallets.DetachPaymentMethod.as_view()
    ),
    path(
        "v1/payment_methods/<str:payment_method_id>/tokens", wallets.PaymentMethodTokens.as_view()
    ),
    path("v1/wallets", wallets.Wallets.as_view()),
    path("v1/wallets/<str:wallet_id>", wallets.OneWallet.as_view()),
    path("v1/wallets/<str:wallet_id>/freeze", wallets.FreezeWallet.as_view()),
    path("v1/wallets/<str:wallet_id>/unfreeze", wallets.UnfreezeWallet.as_view()),
    path("v1/wallets/<str:wallet_id>/close", wallets.CloseWallet.as_view()),
    path("v1/wallets/<str:wallet_id>/balance", wallets.WalletBalance.as_view()),
    path("v1/wallets/<str:wallet_id>/transactions", wallets.WalletTransactions.as_view()),
    path("v1/wallets/<str:wallet_id>/statement", wallets.WalletStatement.as_view()),
    path("v1/wallets/<str:wallet_id>/holds", wallets.Holds.as_view()),
    path("v1/wallets/<str:wallet_id>/holds/<str:hold_id>", wallets.OneHold.as_view()),
    path("v1/wallets/<str:wallet_id>/holds/<str:hold_id>/release", wallets.ReleaseHold.as_view()),
    path("v1/events", notifications.Events.as_view()),
    path("v1/events/<str:event_id>", notifications.OneEvent.as_view()),
    path("v1/webhook_endpoints", notifications.WebhookEndpoints.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>", notifications.OneWebhookEndpoint.as_view()),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>/rotate_secret",
        notifications.WebhookSecretRotation.as_view(),
    ),
    path("v1/webhook_endpoints/<str:endpoint_id>/replay", notifications.Replay.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/deliveries", notifications.Deliveries.as_view()),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>",
        notifications.OneDelivery.as_view(),
    ),
    path(
        "v1/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>/redeliver",
        notifications.Redelivery.as_view(),
    ),
    path("admin/", admin.site.urls),
]
