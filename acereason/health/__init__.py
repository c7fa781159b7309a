"""Is a run healthy? Rules over the last steps of a stage, each with its number and with what to try."""
