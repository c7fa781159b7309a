"""Tests, which mirror the tree; what several of them share is in support/, what they start as processes in scripts/."""
