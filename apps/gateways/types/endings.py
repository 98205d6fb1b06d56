"""How a call can end otherwise than with a yes: no, or nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from apps.gateways.types.declines import decline

if TYPE_CHECKING:
    from apps.gateways.types import ProviderPayment


# The reason of a request that ended before its first byte was written.
NEVER_SENT: Final = "not_sent"
# The reason of an answer that the object a request names, by an id that we know, is not there.
OBJECT_MISSING: Final = "object_missing"
# The reasons that say something of the provider's health: nobody there, no answer, or an error of
# its own. The others are about this request or about us.
_ILL: Final = frozenset(
    {
        *(NEVER_SENT, "timeout", "connection_lost"),
        *("provider_error", "provider_unavailable", "malformed_answer"),
    }
)


class Declined(Exception):
    """The provider said no, definitively: the operation had no effect and will have none.

    `code` is one of `DECLINES`; `provider_code` is the provider's own word for it.
    """

    def __init__(
        self, code: str, *, provider_code: str = "", payment: ProviderPayment | None = None
    ) -> None:
        self.decline = decline(code)
        self.code = self.decline.code
        self.provider_code = provider_code
        self.payment = payment
        super().__init__(f"{self.code} ({provider_code})" if provider_code else self.code)


class OutcomeUnknown(Exception):
    """We do not know whether the operation took effect, and must ask before doing anything else.

    `unsent`: this attempt provably had no effect (nothing left this machine, or the provider
    refused it before looking at it); it says nothing of earlier attempts.
    `answered`: the provider's answer is complete, so nothing of this attempt is still under way.
    `key_is_spent`: it repeats what it answered to the first request under this key, which is thus
    over; the key can do nothing any more.
    `alert`: only a person can mend it (a wrong key, a bug).
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        unsent: bool = False,
        answered: bool = False,
        key_is_spent: bool = False,
        alert: bool = False,
    ) -> None:
        self.reason = reason
        self.key_is_spent = key_is_spent
        self.unsent = unsent
        self.answered = answered
        self.alert = alert
        super().__init__(f"{reason}: {message}" if message else reason)

    @property
    def is_ill(self) -> bool:
        """Whether it counts against the provider's health."""
        return self.reason in _ILL
