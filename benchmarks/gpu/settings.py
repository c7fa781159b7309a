"""What all parts are told, and the two sizes at which they work: that of one H100 or H200, and a toy's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import Row

Tell = Callable[[Row], None]
"""A part gives each figure away as soon as it has it: what comes after may crash."""


class NotHereError(Exception):
    """The machine, or what was given, can't do this part; says why."""


@dataclass(frozen=True)
class Size:
    """How much work the parts do."""

    config: dict[str, Any]
    """transformers' Qwen2Config of the model with random weights."""
    tokens: int
    """Of a packed micro batch."""
    head_tokens: int
    """Of the loss head; all of their logits are held for comparison."""
    packs: int
    """Micro batches of an update."""
    steps: int
    """Updates, of which the first warms up."""
    rollout_steps: int
    """Steps of GRPO with vLLM, likewise."""
    prompts: int
    """Of a rollout."""
    group_size: int
    budget: int
    """Tokens of a response."""
    cache_gib: float
    """Of the engine's keys and values."""
    sft_steps: int
    """Updates that the real model takes on worked sums."""
    rl_steps: int
    """Updates that it takes on sums after them."""


QWEN_1_5B = {
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}
TOY = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,  # heads of 32: the smallest that vLLM can do on a CPU
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
SIZES = {
    "cuda": Size(
        config=QWEN_1_5B,
        tokens=16384,
        head_tokens=8192,
        packs=4,
        steps=4,
        rollout_steps=2,
        prompts=32,
        group_size=8,
        budget=512,
        cache_gib=16.0,
        sft_steps=13,
        rl_steps=10,
    ),
    "cpu": Size(
        config=TOY,
        tokens=512,
        head_tokens=512,
        packs=2,
        steps=3,
        rollout_steps=2,
        prompts=4,
        group_size=2,
        budget=16,
        cache_gib=0.1,
        sft_steps=1,
        rl_steps=1,
    ),
}
"""By device."""
MINUTES = {"cuda": 8.0, "cpu": 60.0}
"""That all parts may take together."""
PATIENCE = {"cuda": 1.0, "cpu": 10.0}
"""What a part's limit of time is multiplied by: a GPU is rented, and a CPU has other work too."""


@dataclass
class Settings:
    """Of one call."""

    device: str
    """cuda or cpu."""
    model: str | None = None
    """Folder of the real model."""
    earlier: dict[str, dict[str, float | str]] = field(default_factory=dict)
    """{part: {figure: value}} of the parts before."""

    @property
    def size(self) -> Size:
        """That of the device."""
        return SIZES[self.device]
