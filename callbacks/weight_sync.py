"""This callback keeps training on-policy: every rollout is drawn from the weights of the last update."""

import time
from typing import ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.modules.grpo import GRPOModule


class WeightSync(pl.Callback):
    """Pushes the policy to the rollout engine before the first rollout and after every update, and checks that it has
    arrived by comparing the engine's log-probs of a few short responses with the trainer's.

    "We ... strictly adhere to on-policy training by generating G = 8 or 16 rollouts ..., followed by a single policy
    gradient update" (3.2.1). It logs sync/seconds and sync/probe_gap, which
    `model.max_logprob_gap` bounds. An update changes every parameter, so every parameter is sent.

    Args:
        probe: number of prompts in the check; 0 leaves it out.
    """

    # why: before callbacks that generate, which need the newest policy
    place: ClassVar[int] = 30

    def __init__(self, probe: int = 4) -> None:
        if probe < 0:
            raise ValueError(f"probe must be at least 0, not {probe}")
        self.probe = probe

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        self._push(pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: GRPOModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        pl_module.record(self._push(pl_module))

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: GRPOModule, exception: BaseException) -> None:
        # why: Lightning tears nothing down after an exception, and a separate engine would keep its GPU
        pl_module.engine.close()

    def _push(self, module: GRPOModule) -> dict[str, float]:
        start = time.perf_counter()
        module.push_weights()
        metrics = {"sync/seconds": time.perf_counter() - start}
        return metrics | ({"sync/probe_gap": module.probe(self.probe)} if self.probe else {})
