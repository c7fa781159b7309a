"""What the trainer asks of a rollout engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, Qwen2Config

from acereason.types import Group, Problem, Sampling


class RolloutEngine(ABC):
    """Holds its own copy of the policy's weights and generates responses with it.

    An engine is constructed from its settings alone, cheaply; `start` gives it the model's shape. Its weights come only
    through `update_weights`, so that every engine is fed, and tested, the same way.
    """

    policy_version: int | None = None
    """The global_step whose weights it holds; None before the first sync and after one that failed half way."""

    @abstractmethod
    def start(
        self, config: Qwen2Config, tokenizer: PreTrainedTokenizerBase, stop_ids: list[int], device: torch.device
    ) -> None:
        """Build the model without weights. `stop_ids` end a response and stay in it as its last token."""

    @abstractmethod
    def generate(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        """Yield each problem's group of `num_rollouts` as soon as it is complete, in any order.

        Rollout i of a problem is drawn from a seed that depends on (seed, problem.id, i) alone. The rollouts carry no
        verdict
        yet: their reward is None.
        """

    @abstractmethod
    def update_weights(self, named_tensors: Iterator[tuple[str, Tensor]], version: int) -> None:
        """Replace all weights by (Hugging Face name, full tensor) pairs. Raises if one is missing, unknown or
        misshapen."""

    @abstractmethod
    def memory(self, config: Qwen2Config, parameters: int, longest: int, group_size: int) -> dict[str, float]:
        """{part: bytes on one device} that it is going to need, for sequences of up to `longest` tokens."""

    def close(self) -> None:  # noqa: B027  an engine without processes of its own has nothing to do
        """Free what the engine holds."""
