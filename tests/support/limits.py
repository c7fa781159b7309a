"""How long tests wait for what must come: no machine is so slow, and only what hangs takes as long."""

HANG = 600.0
"""Seconds after which a process is taken to hang."""
