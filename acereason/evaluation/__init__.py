"""This package measures, keeps and compares evaluations: avg@n with its errors, pass@k, solve rates."""
