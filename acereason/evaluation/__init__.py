"""What evaluations measure, keep, and compare: avg@n with its errors, pass@k, solve rates."""
