"""Why a charge is undone: the business said no."""

from __future__ import annotations

from apps.core.errors import CardError, DomainError


class Rejected(DomainError):
    """Risk said no."""

    code, status = "payment_rejected", 402
    says = "The payment was rejected."


class Voided(DomainError):
    """The merchant gave the payment up before it was captured."""

    code = "void_requested"


class AuthorizationExpired(DomainError):
    """Nobody captured in time."""

    code = "authorization_expired"


class ActionTimedOut(CardError):
    """The customer did not come back from 3-D Secure."""

    code = "authentication_timed_out"
    says = "The customer did not complete the authentication in time."


class ProviderUnavailable(CardError):
    """Nobody who could charge the payment could be reached in time; nothing was charged."""

    code = "provider_unavailable"
    says = "The payment provider could not be reached. Nothing was charged."


class TransferNotReceived(DomainError):
    """The customer's bank transfer did not come in time."""

    code = "transfer_not_received"
    says = "The bank transfer was not received in time."


class AuthorizationLost(DomainError):
    """The provider no longer holds the authorization it gave us."""

    code = "authorization_voided"
