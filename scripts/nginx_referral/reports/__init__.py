"""What was counted, read from counters or from events, and shown."""
