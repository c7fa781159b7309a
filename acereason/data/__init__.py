"""Data modules of SFT, RL and evaluation: sources, problems, prompts, stages and loaders."""
