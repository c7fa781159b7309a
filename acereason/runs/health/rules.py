"""This module has the rules about rewards, responses, the engine, and the update.

| rule | fires when, over the last `window` steps of a stage |
|---|---|
| reward_zero, reward_one | the share of correct responses is below `reward_margin`, or above 1 - `reward_margin` |
| zero_variance | more than `zero_variance` of the groups have no gradient |
| truncated | more than `truncated` of the responses reach their budget |
| errors | more than `errors` of the verdicts are errors |
| logprob_gap | the gap is above `gap` nats and above `gap_growth` times that of the stage's first `window` steps |
| length_collapse | responses are shorter than `length` times those of the stage's first `window` steps |
| gradient_spike | a gradient norm is above `spike` times the median |
| throughput_drop | median tokens a second are below `throughput` times those of the stage's first `window` steps |
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean, median

from acereason.runs.health.watch import History, Watch


@dataclass
class Limits:
    """The numbers in the rules, which decide when each fires."""

    window: int = 20
    """Number of steps that a rule looks at."""
    reward_margin: float = 0.01
    """Distance of the share of correct responses from 0 and 1, below which there is next to nothing to learn."""
    zero_variance: float = 0.8
    """Largest share of groups without a gradient."""
    truncated: float = 0.66
    """Largest share of truncated responses; at the start of stage 1 the paper has 30 % of them (4.5.3)."""
    errors: float = 0.01
    """Largest share of error verdicts; the run stops at `rewards.max_error_rate`."""
    gap: float = 0.05
    """Largest gap of the engine's log-probs from the trainer's, in nats; bfloat16 on both sides gives 0.03."""
    gap_growth: float = 2.0
    """Largest gap as a multiple of the gap at the stage's start."""
    length: float = 0.5
    """Smallest mean length as a share of the length at the stage's start."""
    spike: float = 10.0
    """Largest gradient norm as a multiple of the median."""
    throughput: float = 0.5
    """Smallest throughput as a share of the throughput at the stage's start."""

    def watch(self) -> Watch:
        """Return the rules, ready to be applied to a run."""
        return Watch(self.window, {name: partial(rule, self) for name, rule in RULES.items()}, asdict(self))


def _reward_zero(limits: Limits, history: History) -> str | None:
    values = history.recent("reward/correct")
    if values and fmean(values) < limits.reward_margin:
        return (
            f"{fmean(values):.1%} of the responses are correct: nothing is solved, so there is nothing to learn from. "
            "Read some, judge them with `score --explain`, and try easier problems or a larger response budget"
        )
    return None


def _reward_one(limits: Limits, history: History) -> str | None:
    values = history.recent("reward/correct")
    if values and fmean(values) > 1 - limits.reward_margin:
        return (
            f"{fmean(values):.1%} of the responses are correct: nearly everything is solved, so there is nothing to "
            "learn from. Try harder problems, `easy_filter` or `screen`, or end the stage; and see that nothing fools "
            "the verifier"
        )
    return None


def _zero_variance(limits: Limits, history: History) -> str | None:
    values = history.recent("reward/zero_variance")
    if values and fmean(values) > limits.zero_variance:
        return (
            f"{fmean(values):.0%} of the groups have no gradient: their rollouts cost time and teach nothing. "
            "Try `easy_filter`, a range of `difficulty`, `screen`, or a larger `group_size`"
        )
    return None


def _truncated(limits: Limits, history: History) -> str | None:
    values = history.recent("response/truncated")
    if values and fmean(values) > limits.truncated:
        return (
            f"{fmean(values):.0%} of the responses reach their budget. Try a larger `max_response_length`, or "
            "`overlong: mask` if truncated responses are penalized now"
        )
    return None


def _errors(limits: Limits, history: History) -> str | None:
    values = history.recent("reward/error_rate")
    if values and fmean(values) > limits.errors:
        return (
            f"the verifier failed on {fmean(values):.1%} of the responses, which leave the loss. The report counts "
            "them by kind; `score --explain` shows one step by step; try more `rewards.workers` against timeouts"
        )
    return None


def _logprob_gap(limits: Limits, history: History) -> str | None:
    pair = history.both("sync/logprob_gap")
    # why: a tiny gap may double by rounding, and one that is large from the start is a matter of dtypes: both must hold
    if pair and fmean(pair[1]) > max(limits.gap, limits.gap_growth * fmean(pair[0])):
        return (
            f"the engine's log-probs are {fmean(pair[1]):.3g} nats from the trainer's, {fmean(pair[0]):.3g} when the "
            "stage began: sampler and policy drift apart. Try `importance_cap: 2`, or one dtype for engine and trainer"
        )
    return None


def _length_collapse(limits: Limits, history: History) -> str | None:
    pair = history.both("response/length_mean")
    if pair and fmean(pair[1]) < limits.length * fmean(pair[0]):
        return (
            f"responses have {fmean(pair[1]):,.0f} tokens, {fmean(pair[0]):,.0f} when the stage began: the "
            "policy stops reasoning. Read some; try `overlong: mask` in place of a penalty, or a lower learning rate"
        )
    return None


def _gradient_spike(limits: Limits, history: History) -> str | None:
    values = history.recent("policy/grad_norm")
    # why: the median, which a spike hardly moves; where it is 0 (no group has a gradient) every step would be a spike
    if values and max(values) > limits.spike * median(values) > 0:
        return (
            f"a gradient norm of {max(values):.3g} where {median(values):.3g} is usual. `max_grad_norm` bounds one "
            "step; when they come often try a lower learning rate or more warm-up, and read that step's samples"
        )
    return None


def _throughput_drop(limits: Limits, history: History) -> str | None:
    pair = history.both("throughput/tokens_per_second")
    # why: medians, since one slow step says nothing about the others
    if pair and median(pair[1]) < limits.throughput * median(pair[0]):
        return (
            f"{median(pair[1]):,.0f} tokens a second, {median(pair[0]):,.0f} when the stage began. Look at what "
            "takes the time (time/), at other work on the machines, and at the engine's cache if responses have grown"
        )
    return None


RULES: dict[str, Callable[[Limits, History], str | None]] = {
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
