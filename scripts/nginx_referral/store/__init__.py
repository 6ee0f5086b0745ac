"""Redis, what lies in it, and the C programs that check what is written."""
