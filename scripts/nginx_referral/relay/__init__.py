"""The relay: sends messages of the outbox to endpoints, as webhooks."""
