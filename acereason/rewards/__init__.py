"""Rule-based rewards: verdicts, never exceptions, never hangs."""
