"""This package has verdicts by a language model behind a server."""
