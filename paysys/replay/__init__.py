"""Real transactions, posted through the running API as merchants would, and checked afterwards."""
