"""A pretend PayPal, in the same process and the same book as the pretend Stripe.

It answers below `/paypal`: what a request does is in `orders`, `payments`, `reports` and
`disputes`; `engine` is the door every request passes (token, fault, shape, key, one SQLite
transaction); `page` is where a payer approves.
"""
