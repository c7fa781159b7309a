"""Judge math responses: the box, its normal form, the comparison with the ground truth."""
