"""Rule-based rewards: each response gets a verdict in bounded time, never an exception."""
