"""What data modules and the policies that they serve ask of each other."""

from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase

from acereason.algorithm.clipping import OffPolicy
from acereason.common.types import Problem, Sampling
from acereason.data.prompts import Template
from acereason.models.family import QwenConfig
from acereason.rewards.pool import RewardPool


class Data(Protocol):
    """The data of a policy."""

    template: Template

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the data."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint holds of the data."""


class PromptData(Data, Protocol):
    """Data whose prompts the policy responds to."""

    def longest(self, sampling: Sampling) -> int:
        """Return the tokens that the longest prompt and response may have together."""


class Policy(Protocol):
    """A policy whose prompts and responses are tokenized."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""

    @property
    def config(self) -> QwenConfig:
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
    num_waves: int
    """Parts in which a step's groups are trained on."""
    off_policy: OffPolicy | None
    """Its several updates of a step; None: it has one."""

    def select_problems(self, problems: list[Problem], begins: bool) -> list[Problem]:
        """Return the problems of a stage that an epoch keeps; `begins`: the stage is to be put in force first."""

    def callback_names(self) -> set[str]:
        """Return the names of the classes of the trainer's callbacks, base classes included."""
