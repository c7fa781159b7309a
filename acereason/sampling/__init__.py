"""This package has the verb `predict`, which samples responses of a teacher for SFT."""
