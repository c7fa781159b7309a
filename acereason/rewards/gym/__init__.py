"""This package judges responses to the made-up problems of reasoning-gym (arXiv 2505.24760) by its own scorers."""
