"""From sources to dataset versions: what `curate` runs, one file for each stage."""
