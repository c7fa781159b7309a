"""On-policy training (3.2.1), as checks that raise: rollouts, engine and update are of one policy."""

from dataclasses import dataclass


@dataclass
class OnPolicy:
    """The checks of a run, and the step of its last rollouts."""

    max_gap: float
    """Mean absolute difference between the log-probs of engine and trainer, in nats, above which a step raises."""
    rolled_out_at: int | None = None

    def __post_init__(self) -> None:
        if self.max_gap <= 0:
            raise ValueError(f"max_logprob_gap must be above 0, not {self.max_gap}")

    def require_engine(self, version: int | None, step: int) -> None:
        """Raise a RuntimeError where the engine, which holds policy `version`, does not hold that of this step."""
        if version != step:
            raise RuntimeError(
                f"the engine holds policy {version}, the trainer is at step {step}: list WeightSync in callbacks"
            )

    def require_rollouts(self, step: int) -> None:
        """Raise a RuntimeError where an update at this step has no rollouts of its own."""
        if self.rolled_out_at != step:
            raise RuntimeError(
                f"an update at step {step} on rollouts of step {self.rolled_out_at}: each step has its own; "
                "model.off_policy takes several updates on them"
            )

    def accept(self, gap: float, step: int) -> None:
        """Raise a RuntimeError if the log-probs of engine and trainer differ by more than `max_gap`."""
        # why: not `gap > max`: a gap of NaN must raise too
        if not gap <= self.max_gap:
            raise RuntimeError(
                f"the engine's log-probs differ from the trainer's by {gap:.3g} nats on average, above "
                f"model.max_logprob_gap {self.max_gap:g}: it does not hold the policy of step {step}"
            )
