"""This package builds dataset versions from sources: the stages of `curate`, one file for each."""
