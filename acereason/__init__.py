"""acereason: curated SFT and stage-wise, strictly on-policy GRPO after AceReason-Nemotron 1.1 (arXiv 2506.13284)."""

__version__ = "0.1.0"
