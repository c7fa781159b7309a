"""A run's folder: where it is, what it holds, how it is resumed, watched and shown."""
