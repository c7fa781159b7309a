"""Is a run healthy? Rules over the last steps of a stage, each with its number and with what to try.

| rule | fires when, over the last `window` steps of a stage |
|---|---|
| entropy_collapse | mean entropy is below `entropy` - `band` |
| entropy_blow_up | mean entropy is above `entropy` + `band` |
| reward_zero, reward_one | mean reward is below `reward_margin`, or above 1 - `reward_margin` |
| zero_variance | more than `zero_variance` of the groups have rewards that are all equal |
| truncated | more than `truncated` of the responses reach their budget |
| errors | more than `errors` of the verdicts are errors |
| logprob_gap | the gap is above `gap` nats and above `gap_growth` times that of the stage's first `window` steps |
| length_collapse | responses are shorter than `length` times those of the stage's first `window` steps |
| gradient_spike | a gradient norm is above `spike` times the median |
| throughput_drop | median tokens a second are below `throughput` times those of the stage's first `window` steps |
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from statistics import fmean, median


@dataclass
class Limits:
    """The numbers in the rules."""

    window: int = 20
    """Steps that a rule looks at."""
    entropy: float | None = 0.3
    """Temperature-adjusted entropy that is aimed at, nats (4.5.2); null: no rule on it."""
    band: float = 0.15
    """Largest distance from it that is fine."""
    reward_margin: float = 0.01
    """Distance of the mean reward from 0 and 1 below which there is next to nothing to learn."""
    zero_variance: float = 0.8
    """Share of groups."""
    truncated: float = 0.66
    """Share of responses; at the start of stage 1 of the paper 30 % are truncated (4.5.3)."""
    errors: float = 0.01
    """Share of verdicts; `rewards.max_error_rate` is where the run stops."""
    gap: float = 0.05
    """Nats; bfloat16 on both sides gives 0.03."""
    gap_growth: float = 2.0
    """Times the gap at the stage's start."""
    length: float = 0.5
    """Times the length at the stage's start."""
    spike: float = 10.0
    """Times the median gradient norm."""
    throughput: float = 0.5
    """Times the throughput at the stage's start."""

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ValueError(f"limits.window must be at least 2 steps, not {self.window}")


@dataclass
class History:
    """What the rules need of a stage's steps: the first and the last `window` values of each metric."""

    window: int
    first: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0

    def add(self, metrics: dict[str, float]) -> None:
        """Take in a step."""
        self.steps += 1
        for name in METRICS & metrics.keys():
            if len(first := self.first.setdefault(name, [])) < self.window:
                first.append(metrics[name])
            self.last[name] = [*self.last.get(name, []), metrics[name]][-self.window :]

    def recent(self, name: str) -> list[float] | None:
        """The last `window` values; None while there are fewer."""
        values = self.last.get(name, [])
        return values if len(values) == self.window else None

    def both(self, name: str) -> tuple[list[float], list[float]] | None:
        """The first and the last `window` values; None while they overlap."""
        recent = self.recent(name)
        return (self.first[name], recent) if recent and self.steps >= 2 * self.window else None


@dataclass
class Finding:
    """A rule that fired."""

    stage: str
    step: int
    """The step after which it did, counted as the metrics' are."""
    rule: str
    message: str
    """What is seen, and what to try."""


Rule = Callable[[History, Limits], str | None]


def _entropy_collapse(history: History, limits: Limits) -> str | None:
    values = history.recent("policy/entropy")
    if values and limits.entropy is not None and fmean(values) < limits.entropy - limits.band:
        return (
            f"entropy is {fmean(values):.3f}, below {limits.entropy:g} - {limits.band:g}: the policy hardly "
            "explores. Try a higher sampling temperature (`calibrate` tells which), or an earlier checkpoint"
        )
    return None


def _entropy_blow_up(history: History, limits: Limits) -> str | None:
    values = history.recent("policy/entropy")
    if values and limits.entropy is not None and fmean(values) > limits.entropy + limits.band:
        return (
            f"entropy is {fmean(values):.3f}, above {limits.entropy:g} + {limits.band:g}: the policy explores "
            "at the cost of reward. Try a lower sampling temperature (`calibrate` tells which) or learning rate"
        )
    return None


def _reward_zero(history: History, limits: Limits) -> str | None:
    values = history.recent("reward/mean")
    if values and fmean(values) < limits.reward_margin:
        return (
            f"the mean reward is {fmean(values):.3f}: nothing is solved, so there is nothing to learn from. Read some "
            "responses, judge them with `score --explain`, and try easier problems or a larger response budget"
        )
    return None


def _reward_one(history: History, limits: Limits) -> str | None:
    values = history.recent("reward/mean")
    if values and fmean(values) > 1 - limits.reward_margin:
        return (
            f"the mean reward is {fmean(values):.3f}: nearly everything is solved, so there is nothing to learn from. "
            "Try harder problems, `easy_filter` or `screen`, or end the stage; and see that nothing fools the verifier"
        )
    return None


def _zero_variance(history: History, limits: Limits) -> str | None:
    values = history.recent("reward/zero_variance")
    if values and fmean(values) > limits.zero_variance:
        return (
            f"in {fmean(values):.0%} of the groups all rewards are equal: their rollouts cost time and teach nothing. "
            "Try `easy_filter`, a range of `difficulty`, `screen`, or a larger `group_size`"
        )
    return None


def _truncated(history: History, limits: Limits) -> str | None:
    values = history.recent("response/truncated")
    if values and fmean(values) > limits.truncated:
        return (
            f"{fmean(values):.0%} of the responses reach their budget. Try a larger `max_response_length`, or "
            "`overlong: mask` if truncated responses are penalized now"
        )
    return None


def _errors(history: History, limits: Limits) -> str | None:
    values = history.recent("reward/error_rate")
    if values and fmean(values) > limits.errors:
        return (
            f"the verifier failed on {fmean(values):.1%} of the responses, which leave the loss. The report counts "
            "them by kind; `score --explain` shows one step by step; try more `rewards.workers` against timeouts"
        )
    return None


def _logprob_gap(history: History, limits: Limits) -> str | None:
    pair = history.both("sync/logprob_gap")
    if pair and fmean(pair[1]) > max(limits.gap, limits.gap_growth * fmean(pair[0])):
        return (
            f"the engine's log-probs are {fmean(pair[1]):.3g} nats from the trainer's, {fmean(pair[0]):.3g} when the "
            "stage began: sampler and policy drift apart. Try `importance_cap: 2`, or one dtype for engine and trainer"
        )
    return None


def _length_collapse(history: History, limits: Limits) -> str | None:
    pair = history.both("response/length_mean")
    if pair and fmean(pair[1]) < limits.length * fmean(pair[0]):
        return (
            f"responses have {fmean(pair[1]):,.0f} tokens, {fmean(pair[0]):,.0f} when the stage began: the "
            "policy stops reasoning. Read some; try `overlong: mask` in place of a penalty, or a lower learning rate"
        )
    return None


def _gradient_spike(history: History, limits: Limits) -> str | None:
    values = history.recent("policy/grad_norm")
    if values and max(values) > limits.spike * median(values) > 0:
        return (
            f"a gradient norm of {max(values):.3g} where {median(values):.3g} is usual. `max_grad_norm` bounds one "
            "step; when they come often try a lower learning rate or more warm-up, and read that step's samples"
        )
    return None


def _throughput_drop(history: History, limits: Limits) -> str | None:
    pair = history.both("throughput/tokens_per_second")
    if pair and median(pair[1]) < limits.throughput * median(pair[0]):
        return (
            f"{median(pair[1]):,.0f} tokens a second, {median(pair[0]):,.0f} when the stage began. Look at what "
            "takes the time (time/), at other work on the machines, and at the engine's cache if responses have grown"
        )
    return None


RULES: dict[str, Rule] = {
    "entropy_collapse": _entropy_collapse,
    "entropy_blow_up": _entropy_blow_up,
    "reward_zero": _reward_zero,
    "reward_one": _reward_one,
    "zero_variance": _zero_variance,
    "truncated": _truncated,
    "errors": _errors,
    "logprob_gap": _logprob_gap,
    "length_collapse": _length_collapse,
    "gradient_spike": _gradient_spike,
    "throughput_drop": _throughput_drop,
}

METRICS = {
    *("policy/entropy", "policy/grad_norm", "reward/mean", "reward/zero_variance", "reward/error_rate"),
    *("response/truncated", "response/length_mean", "sync/logprob_gap", "throughput/tokens_per_second"),
}
"""What the rules look at."""


class Watch:
    """Applies the rules to a run as its steps come; each rule speaks once a stage."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stage, self.history = "", History(limits.window)
        self.fired: list[str] = []
        """Rules that have spoken in this stage."""

    def add(self, stage: str, metrics: dict[str, float]) -> None:
        """Take in a step."""
        if stage != self.stage:
            self.stage, self.history, self.fired = stage, History(self.limits.window), []
        self.history.add(metrics)

    def findings(self, step: int) -> list[Finding]:
        """What the rules have to say now, after `step`."""
        told = {name: rule(self.history, self.limits) for name, rule in RULES.items() if name not in self.fired}
        found = [Finding(self.stage, step, name, message) for name, message in told.items() if message]
        self.fired += [finding.rule for finding in found]
        return found

    def state(self) -> dict:
        """Plain data for a checkpoint."""
        return {"stage": self.stage, "history": asdict(self.history), "fired": self.fired}

    def restore(self, state: dict) -> None:
        """Go on from what `state` gave."""
        self.stage, self.history, self.fired = state["stage"], History(**state["history"]), state["fired"]


def replay(
    steps: Iterable[tuple[int, str, dict[str, float]]], limits: Limits, every_n_steps: int = 10
) -> list[Finding]:
    """What a watch would have said of the (step, stage, metrics) of a run that had none."""
    watch, found = Watch(limits), []
    for step, stage, metrics in steps:
        watch.add(stage, metrics)
        if (step + 1) % every_n_steps == 0:
            found += watch.findings(step)
    return found
