"""This package has the verb `score`, which judges a file of responses and gives the reasons."""
