"""The objective and the packing of its batches as functions without state."""
