"""The verb `predict`: responses of a teacher, for SFT."""
