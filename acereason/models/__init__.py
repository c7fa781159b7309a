"""The Qwen backbone, its log-prob head, packed attention, and the files of its weights."""
