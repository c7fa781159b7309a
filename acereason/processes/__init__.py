"""Processes of one verb: signals, ranks, workers, and an end that leaves none behind."""
