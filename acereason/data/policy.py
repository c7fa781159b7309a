"""What data modules ask of the policy that they serve: the model's tokenizer and context, and how it is sampled."""

from typing import Protocol

from transformers import PreTrainedTokenizerBase, Qwen2Config

from acereason.common.types import Problem, Sampling
from acereason.rewards.pool import RewardPool


class Policy(Protocol):
    """A policy whose prompts and responses are tokenized."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""

    @property
    def config(self) -> Qwen2Config:
        """The model's configuration."""


class JudgedPolicy(Policy, Protocol):
    """A policy whose responses are judged."""

    @property
    def rewards(self) -> RewardPool:
        """The verifiers of its responses."""


class RolledPolicy(JudgedPolicy, Protocol):
    """A policy that is trained on its own responses."""

    sampling: Sampling
    """How responses are drawn, where no stage says otherwise."""

    def select_problems(self, problems: list[Problem], begins: bool) -> list[Problem]:
        """Return the problems of a stage that an epoch keeps; `begins`: the stage is to be put in force first."""

    def callback_names(self) -> set[str]:
        """Return the names of the classes of the trainer's callbacks, base classes included."""
