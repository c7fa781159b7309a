"""`preflight`: what would fail in hour 30, found in minute 1, without a GPU."""
