"""What a math answer is: extracted, spelled in one way, taken apart, compared."""
