"""A policy with rollouts of its own: their engine and verifiers start, hold its weights, and stop with the run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from acereason.common.journal import RankJournals
from acereason.common.types import Sampling
from acereason.data.policy import PromptData
from acereason.models.exports import stream_weights
from acereason.modules.base import QwenModule
from acereason.modules.hooks import run_folder
from acereason.modules.on_policy import OnPolicy
from acereason.processes.distributed import rank
from acereason.processes.signals import Interrupted, at_once
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.settings import JUDGE
from acereason.rollouts.engine import RolloutEngine
from acereason.rollouts.judged import Rollouts


class RolloutModule(QwenModule):
    """A Qwen policy that has rollouts: an engine that holds a copy of its weights, and verifiers of its responses.

    Args:
        engine: generates the rollouts.
        rewards: how responses are judged.
        max_logprob_gap: mean absolute difference between the engine's log-probs and the trainer's, in nats, above which
            a step raises before it changes any weight; bfloat16 on both sides gives 0.03, stale weights more than 0.1.
    """

    data: PromptData
    sampling = Sampling()
    """How responses are drawn where nothing else says it."""

    def __init__(
        self,
        engine: RolloutEngine,
        rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
        max_logprob_gap: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_policy = OnPolicy(max_logprob_gap)
        engine.follow(self.backbone.compute_dtype)
        self.rollouts = Rollouts(engine, RewardPool(rewards), self.section, self.breaking_off)
        self._breaks_off = True

    @property
    def engine(self) -> RolloutEngine:
        """The engine of the rollouts."""
        return self.rollouts.engine

    @property
    def rewards(self) -> RewardPool:
        """The verifiers of the rollouts; a subclass may set others."""
        return self.rollouts.rewards

    @rewards.setter
    def rewards(self, rewards: RewardPool) -> None:
        self.rollouts.rewards = rewards

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Finish all rollouts of this context even if a signal comes."""
        self._breaks_off = False
        try:
            yield
        finally:
            self._breaks_off = True

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """While training, end the rollouts of this context on all ranks if any of them gets a signal."""
        if self.trainer.state.fn != "fit" or not self._breaks_off:
            yield
            return
        # why: rollouts take minutes, and nothing has been learnt from them yet: a signal drops them at once. Ranks
        # that share an engine generate together, so that none of them may leave before all agree on it below
        with suppress(Interrupted), nullcontext() if self.engine.in_lockstep else at_once():
            yield
        with self.section("idle"):
            self.end_if_interrupted()

    def keep_verdicts(self) -> None:
        """Keep a judge's verdicts in the run's folder, which must have begun, and take over those that are there."""
        self.rewards.keep_verdicts(RankJournals(run_folder(self.trainer) / JUDGE, JUDGE), rank())

    def push_weights(self) -> None:
        """Send the engine the current policy's weights, unless it holds them."""
        if self.engine.policy_version != self.trainer.global_step:
            with self.section("sync"):
                weights = stream_weights(self.model, self.engine.weights_dtype, copies=False)
                self.engine.update_weights(weights, version=self.trainer.global_step)

    def require_current_engine(self) -> None:
        """Raise a RuntimeError where the engine does not hold the policy of this step."""
        self.on_policy.require_engine(self.engine.policy_version, self.trainer.global_step)

    def setup(self, stage: str) -> None:
        """Start the engine with the model's shape and the longest sequence of the data."""
        device, longest = self.trainer.strategy.root_device, self.data.longest(self.sampling)
        self.engine.start(self.config, self.tokenizer, self.stop_ids, device, longest, self.trainer.num_devices)

    def teardown(self, stage: str) -> None:
        """Stop the engine and the verifiers."""
        self.rollouts.close()
