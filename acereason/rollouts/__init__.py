"""Rollout engines: what turns prompts into groups of responses."""
