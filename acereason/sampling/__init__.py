"""This package samples responses, judges them and keeps each at once: of teachers and of policies."""
