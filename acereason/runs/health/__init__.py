"""This package judges whether a run is healthy, by rules over the last steps of a stage that say what to try."""
