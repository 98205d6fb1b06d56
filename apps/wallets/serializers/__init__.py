"""What a merchant may send about customers and what is theirs, and what it looks like here."""
