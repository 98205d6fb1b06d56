"""A pretend Stripe and a pretend PayPal: own process, own books, and faults on demand.

It stands on the other side of the wire, so it shares no code with the house. What a request does
is in `intents`, `refunds`, `payouts`…; `engine` is the door every request passes (key, fault,
parameters, idempotency, one SQLite transaction); `listener` speaks HTTP. PayPal's counterparts are
in `paypal`.
"""
