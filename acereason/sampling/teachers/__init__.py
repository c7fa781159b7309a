"""This package has the teachers of `predict`: one behind a server, and one on this machine."""
