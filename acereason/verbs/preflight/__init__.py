"""This package has the verb `preflight`, which finds the failures of hour 30 in minute 1, without a GPU."""
