"""Everything that can go wrong, on purpose, while money moves; then three books are compared.

`manage.py soak` starts a stack of its own, drives a mix of payments through its API as a good
merchant would, and meanwhile kills, stops, cuts off and slows down every part of it. At the end
the client's journal, our books and the provider's must tell the same story.
"""
