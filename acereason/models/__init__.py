"""The Qwen2 backbone and its log-prob head."""
