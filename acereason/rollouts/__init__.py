"""Rollout engines turn prompts into groups of responses."""
