"""Rollouts by vLLM, in the trainer's process or in a process of their own.

vLLM itself is imported in `core.py`, `transfer.py` and `plan.py` alone, when an engine starts: the rest of the project
works without it.
"""

from acereason.rollouts.vllm.engine import VLLMEngine

__all__ = ["VLLMEngine"]
