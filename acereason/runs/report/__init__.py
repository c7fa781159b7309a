"""This package has the verb `report`, which shows a run as one page."""
