import gzip
import json
import random
from pathlib import Path

import pytest

from acereason.runs.health.entropy import EntropyBand
from acereason.runs.health.rules import Limits
from acereason.runs.health.watch import METRICS, History, Watch, replay

HEALTHY = {
    "policy/entropy": 0.3,
    "policy/temperature": 0.85,
    "policy/grad_norm": 0.5,
    "reward/correct": 0.5,
    "reward/zero_variance": 0.3,
    "reward/error_rate": 0.0,
    "response/truncated": 0.3,
    "response/length_mean": 1000.0,
    "sync/logprob_gap": 0.03,
    "throughput/tokens_per_second": 500.0,
}
ILL = {
    "entropy_collapse": {"policy/entropy": 0.19},
    "entropy_blow_up": {"policy/entropy": 0.41},
    "entropy_decline": {"policy/entropy": 0.27},
    "reward_zero": {"reward/correct": 0.009},
    "reward_one": {"reward/correct": 0.991},
    "zero_variance": {"reward/zero_variance": 0.81},
    "truncated": {"response/truncated": 0.67},
    "errors": {"reward/error_rate": 0.011},
    "logprob_gap": {"sync/logprob_gap": 0.061},
    "length_collapse": {"response/length_mean": 499.0},
    "gradient_spike": {"policy/grad_norm": 5.1},
    "throughput_drop": {"throughput/tokens_per_second": 249.0},
}
JUST_WELL = {
    "entropy_collapse": {"policy/entropy": 0.21},
    "entropy_blow_up": {"policy/entropy": 0.39},
    "entropy_decline": {"policy/entropy": 0.29},
    "reward_zero": {"reward/correct": 0.011},
    "reward_one": {"reward/correct": 0.989},
    "zero_variance": {"reward/zero_variance": 0.79},
    "truncated": {"response/truncated": 0.65},
    "errors": {"reward/error_rate": 0.009},
    "logprob_gap": {"sync/logprob_gap": 0.059},
    "length_collapse": {"response/length_mean": 501.0},
    "gradient_spike": {"policy/grad_norm": 4.9},
    "throughput_drop": {"throughput/tokens_per_second": 251.0},
}


def watches() -> list[Watch]:
    """All rules, with their defaults."""
    return [EntropyBand().watch(), Limits().watch()]


ALL = [rule for watch in watches() for rule in watch.rules]


START = {"entropy_collapse": {"policy/entropy": 0.25}, "entropy_decline": {"policy/entropy": 0.38}}
"""What a stage starts with, where a rule looks at how far it has come."""


def steps_of(rule: str, change: dict[str, float]):
    """20 healthy steps, then 20 with the change; a spike is one step of it."""
    ill = {25} if rule == "gradient_spike" else set(range(20, 40))
    return ((n, "a", HEALTHY | (change if n in ill else START.get(rule, {}))) for n in range(40))


def run(change: dict[str, float], rule: str = ""):
    """What is found in such a run by rules that are applied every 10 steps."""
    return [(finding.rule, finding.step) for finding in replay(steps_of(rule, change), watches())]


def test_there_is_a_case_for_every_rule():
    assert [*ILL] == [*JUST_WELL] == ALL
    assert HEALTHY.keys() == METRICS


@pytest.mark.parametrize("rule", ALL)
def test_a_rule_fires_once_beyond_its_number_and_no_other_does(rule):
    assert [found for found, _ in run(ILL[rule], rule)] == [rule]
    assert run(JUST_WELL[rule], rule) == []


@pytest.mark.parametrize("rule", ALL)
def test_what_it_says_is_plain_and_tells_what_to_try(rule):
    (finding,) = replay(steps_of(rule, ILL[rule]), watches())
    assert any(word in finding.message for word in ("Try", "try", "Look at"))
    assert "\n" not in finding.message


def test_a_rule_waits_for_a_window_and_speaks_once_a_stage():
    ill = HEALTHY | {"reward/correct": 0.0}
    assert [f.step for f in replay(((n, "a", ill) for n in range(100)), watches())] == [19]
    stages = ((n, "a" if n < 50 else "b", ill) for n in range(100))
    assert [(f.stage, f.step) for f in replay(stages, watches())] == [("a", 19), ("b", 69)]


def test_the_gap_may_double_while_it_is_small_and_be_large_from_the_start():
    assert run({"sync/logprob_gap": 0.049}) == []
    steps = ((n, "a", HEALTHY | {"sync/logprob_gap": 0.09}) for n in range(40))
    assert replay(steps, watches()) == []


def test_metrics_that_a_run_does_not_have_are_no_findings():
    assert replay(((n, "sft", {"policy/loss": 1.0}) for n in range(60)), watches()) == []


def test_a_watch_goes_on_from_its_state():
    whole, first = Limits().watch(), Limits().watch()
    ill = HEALTHY | {"throughput/tokens_per_second": 100.0}
    for n in range(30):
        for watch in (whole, first):
            watch.add("a", HEALTHY if n < 20 else ill)
    second = Limits().watch()
    second.restore(json.loads(json.dumps(first.state())))
    for _ in range(10):
        for watch in (whole, second):
            watch.add("a", ill)
    (expected,), (found,) = whole.findings(39), second.findings(39)
    assert (found, found.rule) == (expected, "throughput_drop")
    assert second.findings(39) == []


def test_entropy_is_told_with_the_temperature():
    low, high = (
        replay(((n, "a", {"policy/entropy": e, "policy/temperature": 0.7}) for n in range(20)), watches())
        for e in (0.1, 0.5)
    )
    assert [f.message.partition(":")[0] for f in (*low, *high)] == [
        "entropy is 0.100 at temperature 0.7, below 0.3 - 0.1",
        "entropy is 0.500 at temperature 0.7, above 0.3 + 0.1",
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("temperature", "first", "last", "rules"),
    [
        (
            0.6,
            0.15,
            0.19,
            {"entropy_collapse"},
        ),  # "below 0.2 throughout", "ultimately leads to sub-optimal performance"
        (1.0, 0.40, 0.22, {"entropy_decline"}),  # "around 0.4, which gradually declines to approximately 0.22"
        (0.85, 0.26, 0.38, set()),  # "approximately 0.26, which gradually increases to around 0.38": the best
    ],
)
def test_the_monitor_speaks_on_the_papers_two_bad_runs_and_not_on_its_good_one(temperature, first, last, rules, seed):
    """The three curves of Figure 8, straight from their first to their last value, with a step's noise."""
    noise = random.Random(seed)
    values = [first + (last - first) * n / 499 + noise.gauss(0, 0.01) for n in range(500)]
    steps = ((n, "math_8k", {"policy/entropy": v, "policy/temperature": temperature}) for n, v in enumerate(values))
    found = {finding.rule for finding in replay(steps, [EntropyBand().watch()])}
    assert found - {"entropy_blow_up"} == rules  # 0.4 is on the band's edge
    assert found == rules or temperature == 1.0


@pytest.mark.parametrize("limits", [Limits(window=1), EntropyBand(window=1)])
def test_a_window_of_one_step_is_refused(limits):
    with pytest.raises(ValueError, match="window must be at least 2"):
        limits.watch()


@pytest.mark.parametrize(("name", "bands"), [("rl", [EntropyBand(0.1, 0.1)]), ("sft", [])])
def test_the_quickstarts_curves_are_healthy(name, bands):
    """`python tests/scripts/extract_run.py RUN_FOLDER tests/data/quickstart-NAME.json.gz` makes the extracts."""
    stored = json.loads(gzip.decompress(Path(f"tests/data/quickstart-{name}.json.gz").read_bytes()))
    steps = [(step, stage, metrics) for step, stage, metrics in stored]
    assert len(steps) == {"rl": 240, "sft": 375}[name]
    assert replay(steps, [*(band.watch() for band in bands), Limits(throughput=0.2).watch()]) == []


def resumed(before: Limits, now: Limits, steps: int = 40) -> list[str]:
    """What is said after a run in which nothing was ever solved is resumed with other limits."""
    first, second = before.watch(), now.watch()
    for _ in range(steps):
        first.add("a", HEALTHY | {"reward/correct": 0.02})
    first.findings(steps)
    second.restore(json.loads(json.dumps(first.state())))
    second.add("a", HEALTHY | {"reward/correct": 0.02})
    return [finding.rule for finding in second.findings(steps + 1)]


def test_a_watch_goes_on_under_the_limits_of_now():
    assert resumed(Limits(), Limits(reward_margin=0.05)) == ["reward_zero"]
    assert resumed(Limits(reward_margin=0.05), Limits(reward_margin=0.05)) == []
    assert resumed(Limits(reward_margin=0.05), Limits(reward_margin=0.04)) == ["reward_zero"]
    assert resumed(Limits(reward_margin=0.05), Limits()) == []
    assert resumed(Limits(), Limits(reward_margin=0.05, window=5)) == ["reward_zero"]
    assert resumed(Limits(), Limits(reward_margin=0.05, window=22)) == []  # 21 are known


def test_another_window_keeps_what_is_known():
    history = History(4)
    for value in range(9):
        history.add({"reward/correct": float(value)})
    smaller, larger = history.within(2), history.within(6)
    assert (smaller.first["reward/correct"], smaller.recent("reward/correct")) == ([0.0, 1.0], [7.0, 8.0])
    assert (larger.first["reward/correct"], larger.recent("reward/correct")) == ([0.0, 1.0, 2.0, 3.0], None)
