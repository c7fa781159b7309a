"""A callback for tests: every second prompt of a step loses its responses."""

from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import rank, world_size


class MaskEverySecond(RolloutCallback):
    """On two ranks, all of the second rank's: its every micro batch is without loss tokens."""

    def on_rollouts(self, trainer, module, groups):
        for index, group in enumerate(groups):
            for rollout in group.rollouts:
                rollout.in_loss = (rank() + index * world_size()) % 2 == 0
