"""This module compares a run's settings with the paper's (arXiv 2506.13284), and lists the choices it leaves open."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from acereason.runs.report.reading import Run
from acereason.runs.report.words import listed, number


@dataclass
class Setting:
    """A setting of the recipe, as the paper and as a run has it."""

    name: str
    paper: str
    where: str
    """Section of the paper; "1.0" is AceReason-Nemotron 1.0 (arXiv 2505.16400), whose values 1.1 takes over."""
    ours: str
    same: bool


def settings(run: Run) -> list[Setting]:
    """Return the recipe's settings as the paper and as this run has them."""
    return [make(run) for make in (_RL if run.is_rl else _SFT)]


def _start(run: Run) -> Setting:
    name = str(run.model.get("pretrained") or "random weights")
    paper = "its SFT model of Qwen2.5-Math-7B" if run.is_rl else "Qwen2.5-Math-7B"
    return Setting("starts from", paper, "3.1.2", name, "qwen2.5-math-7b" in name.lower())


def _curriculum(run: Run) -> Setting:
    budgets = [_stage_value(run, name, "max_response_length") for name in run.stages]
    paper = "8,192 → 16,384 → 24,576 (math) → 24,576 → 32,768 (code) → 32,768 (math)"
    same = budgets == [8192, 16384, 24576, 24576, 32768, 32768]
    return Setting("response budgets", paper, "3.2.3", " → ".join(f"{budget:,}" for budget in budgets), same)


def _prompts(run: Run) -> Setting:
    values = {stage["prompts_per_step"] for stage in run.stages.values()}
    return Setting("prompts of a step", "128", "3.2.1", _several(values), values == {128})


def _group_size(run: Run) -> Setting:
    values = _in_all_epochs(run, "group_size", run.model["group_size"])
    return Setting("rollouts of a prompt (G)", "8 or 16", "3.2.1", _several(values), values <= {8, 16})


def _overlong(run: Run) -> Setting:
    default = (run.callback("Overlong") or {}).get("policy", "none")
    policies = {name: stage["overlong"] or default for name, stage in run.stages.items()}
    # why: masking helps at 8K and 16K, is neutral at 24K and hurts at 32K (4.5.3)
    expected = {
        name: "penalize" if _stage_value(run, name, "max_response_length") >= 32768 else "mask" for name in policies
    }
    paper = "mask below 32K, penalize at 32K"
    return Setting("overlong responses", paper, "4.5.3", " → ".join(policies.values()), policies == expected)


def _temperature(run: Run) -> Setting:
    default = run.model["sampling"]["temperature"]
    held, values = run.callback("TemperatureController"), _in_all_epochs(run, "temperature", default)
    ours = f"{_several(values)}, then moved to hold entropy {held['target']:g}" if held else _several(values)
    stages = [(name, t) for name in run.stages for t in _in_epochs(run, name, "temperature", default)]
    # why: 1.1 says that it trains as 1.0 did, whose code stages had temperatures from 0.6 to 1.0
    published = all(t == 0.85 or ("code" in name and 0.6 <= t <= 1.0) for name, t in stages)
    paper = "0.85: entropy about 0.3; 1.0 had 0.6 to 1.0 in code stages"
    return Setting("sampling temperature", paper, "4.5.2", ours, published and not held)


def _learning_rate(run: Run) -> Setting:
    default = run.model["optimizer"]["init_args"]["lr"]
    rates = [stage["learning_rate"] or default for stage in run.stages.values()]
    expected = [5e-6 if "code" in name else 1e-6 for name in run.stages]
    ours = " → ".join(f"{rate:g}" for rate in dict.fromkeys(rates))
    return Setting("learning rate", "1e-06 (math), 5e-06 (code)", "1.0", ours, rates == expected)


def _on_policy(run: Run) -> Setting:
    strict = run.model["strict_on_policy"]
    return Setting(
        "updates on a batch of rollouts", "1, strictly on-policy", "3.2.1", "1" if strict else "unchecked", strict
    )


def _easy_filter(run: Run) -> Setting:
    names = [name for name, stage in run.stages.items() if stage["easy_filter"]]
    paper = "the last code stage, from its second epoch on"
    last_code = [name for name in run.stages if "code" in name][-1:]
    return Setting("easy problems leave", paper, "3.2.3", listed(names) if names else "no stage", names == last_code)


def _screening(run: Run) -> Setting:
    names = [f"{name} (from {stage['screen']:.0%} correct on)" for name, stage in run.stages.items() if stage["screen"]]
    paper = "math stages 3 and 4 keep hard problems"
    return Setting("screened before the stage", paper, "3.2.3", listed(names) if names else "no stage", bool(names))


def _evaluation(run: Run) -> Setting:
    default = run.model["sampling"]["max_response_length"]
    values = {
        name: (b["n"], b["temperature"], b["top_p"], b["max_response_length"] or default)
        for name, b in (run.data.get("benchmarks") or {}).items()
    }
    told = [f"{name}: avg@{n}, T {t:g}, top-p {p:g}, {budget:,} tokens" for name, (n, t, p, budget) in values.items()]
    paper = "avg@64 on AIME, T 0.6, top-p 0.95, 32,768 tokens"
    return Setting(
        "evaluation", paper, "4.1", "; ".join(told) or "none", {*values.values()} == {(64, 0.6, 0.95, 32768)}
    )


def _rope(run: Run) -> Setting:
    value = run.model["backbone"]["rope_theta"]
    return Setting("rope_theta", "1,000,000", "3.1.2", number(value) if value else "the model's", value == 1_000_000)


def _context(run: Run) -> Setting:
    backbone = run.model["backbone"]
    value = backbone["max_position_embeddings"] or (backbone["config"] or {}).get("max_position_embeddings")
    return Setting("context, tokens", "131,072", "3.1.2", number(value) if value else "the model's", value == 131072)


def _epochs(run: Run) -> Setting:
    value = run.config["trainer"]["max_epochs"]
    return Setting("epochs", "5 or 6", "4.4.3", str(value), value in (5, 6))


_RL: list[Callable[[Run], Setting]] = [
    *(_start, _curriculum, _overlong, _prompts, _group_size, _temperature, _learning_rate),
    *(_on_policy, _easy_filter, _screening, _evaluation),
]
_SFT: list[Callable[[Run], Setting]] = [_start, _rope, _context, _epochs]


def choices(run: Run) -> list[tuple[str, str]]:
    """Return (question, answer) of the choices that the papers leave open, as this run settles them."""
    if not run.is_rl:
        return [
            ("loss", "minus the mean log-prob of the batch's response tokens, each weighing the same over all ranks")
        ]
    model, overlong = run.model, run.callback("Overlong") or {}
    return [
        ("advantage", f"(reward - mean) / (std + 1e-6), std with ddof {model['ddof']}; equal rewards give 0"),
        ("loss", _LOSS[model["normalize"]]),
        ("on-policy", "one update a batch, so that the ratio is 1: no old log-probs, no clip, no KL"),
        (
            "log-probs and entropy",
            "of softmax(logits / T), T the sampling temperature, in float32, over the vocabulary",
        ),
        ("overlong: mask", _MASK[bool(overlong.get("in_baseline"))]),
        ("overlong: penalize", f"the reward becomes {overlong.get('reward', 0.0):g}, and stays in everything"),
        ("solved", "every rollout of the group correct in the epoch just finished"),
        ("groups of equal rewards", "stay in the denominator: the paper has no dynamic sampling"),
        ("errors of the verifier", "leave loss and baseline, and are counted; never a reward of 0"),
        ("engine and trainer", _engine_and_trainer(model["importance_cap"])),
    ]


_LOSS = {
    "group": "-A x log-prob, summed over tokens, divided by those of its group, mean over prompts (Eq. 1 as written)",
    "batch": "-A x log-prob, summed over tokens, divided by all loss tokens of the step (veRL's token-mean)",
}
_MASK = {
    False: 'leaves the loss, and the group\'s mean and std ("without assigning any reward")',
    True: "leaves the loss, but its reward stays in the group's mean and std",
}


def _engine_and_trainer(cap: float | None) -> str:
    """Return how the run treats the difference of their log-probs, in words."""
    if cap is None:
        return "the gap of log-probs is logged at each step and bounded; no importance weights"
    return f"each token is weighed by min(trainer / engine, {cap:g})"


def differences(runs: list[Run]) -> list[list[str]]:
    """Return rows of the keys in which the runs' configs differ, each with the value of every run."""
    flat = [_flat(run.config) for run in runs]
    keys = sorted(set.union(*(set(one) for one in flat)))
    told = [[key, *(str(one.get(key, "-")) for one in flat)] for key in keys]
    # why: runs have folders of their own, so that the logger's keys differ always
    return [row for row in told if len(set(row[1:])) > 1 and not row[0].startswith("trainer.logger")]


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Return {dotted key: value}; an entry of a list is named by its class, or by its place."""
    if isinstance(value, list):
        value = {_name(part, place): part for place, part in enumerate(value)}
    if not isinstance(value, dict) or not value:
        return {key: value}
    parts = [_flat(part, f"{key}.{name}" if key else str(name)) for name, part in value.items()]
    return {name: leaf for part in parts for name, leaf in part.items()}


def _name(part: Any, place: int) -> str:
    return part["class_path"].rpartition(".")[2] if isinstance(part, dict) and "class_path" in part else str(place)


def _stage_value(run: Run, stage: str, name: str) -> Any:
    return run.stages[stage][name] or run.model["sampling"][name]


def _in_all_epochs(run: Run, name: str, default: Any) -> set:
    """Return all values of a setting that a stage may have for each epoch."""
    return {each for stage in run.stages for each in _in_epochs(run, stage, name, default)}


def _in_epochs(run: Run, stage: str, name: str, default: Any) -> list:
    value = run.stages[stage][name] or default
    return value if isinstance(value, list) else [value]


def _several(values: set) -> str:
    return listed(f"{value:g}" for value in sorted(values))
