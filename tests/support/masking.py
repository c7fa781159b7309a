"""A callback for tests: one prompt of a step alone keeps its responses."""

from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather


class MaskAllButOne(RolloutCallback):
    """Of two ranks, one has no loss token in any of its micro batches."""

    def on_rollouts(self, trainer, module, groups):
        kept = min(gather([group.problem.id for group in groups]))
        for group in groups:
            for rollout in group.rollouts:
                rollout.in_loss = group.problem.id == kept
