"""Studies: arms of a recipe, run with several seeds, and what their differences show."""
