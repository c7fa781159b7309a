"""This module compares a run's settings with the paper's (arXiv 2506.13284), and lists the choices it leaves open."""

from collections.abc import Iterator
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


_RL = {
    "starts from": ("its SFT model of Qwen2.5-Math-7B", "3.1.2"),
    "response budgets": ("8,192 → 16,384 → 24,576 (math) → 24,576 → 32,768 (code) → 32,768 (math)", "3.2.3"),
    "overlong responses": ("mask below 32K, penalize at 32K", "4.5.3"),
    "prompts of a step": ("128", "3.2.1"),
    "rollouts of a prompt (G)": ("8 or 16", "3.2.1"),
    "sampling temperature": ("0.85: entropy about 0.3; 1.0 had 0.6 to 1.0 in code stages", "4.5.2"),
    "learning rate": ("1e-06 (math), 5e-06 (code)", "1.0"),
    "updates on a batch of rollouts": ("1, strictly on-policy", "3.2.1"),
    "easy problems leave": ("the last code stage, from its second epoch on", "3.2.3"),
    "screened before the stage": ("math stages 3 and 4 keep hard problems", "3.2.3"),
    "evaluation": ("avg@64 on AIME, T 0.6, top-p 0.95, 32,768 tokens", "4.1"),
}
_SFT = {
    "starts from": ("Qwen2.5-Math-7B", "3.1.2"),
    "rope_theta": ("1,000,000", "3.1.2"),
    "context, tokens": ("131,072", "3.1.2"),
    "epochs": ("5 or 6", "4.4.3"),
}
"""{setting: (the paper's value, section)}, in the order in which `_of_rl` and `_of_sft` yield the run's."""
Ours = tuple[str, bool]
"""A run's value in words, and whether it is the paper's."""


def settings(run: Run) -> list[Setting]:
    """Return the recipe's settings as the paper and as this run has them."""
    paper, ours = (_RL, _of_rl(run)) if run.is_rl else (_SFT, _of_sft(run))
    return [Setting(name, *paper[name], *value) for name, value in zip(paper, ours, strict=True)]


def _of_rl(run: Run) -> Iterator[Ours]:
    yield _start(run)
    yield from _lengths(run)
    prompts = {stage["prompts_per_step"] for stage in run.stages.values()}
    yield _several(prompts), prompts == {128}
    sizes = {size for _, size in _in_epochs(run, "group_size", run.model["group_size"])}
    yield _several(sizes), sizes <= {8, 16}
    yield _temperature(run)
    rates = _in_stages(run, "learning_rate", run.model["optimizer"]["init_args"]["lr"])
    in_words = " → ".join(f"{rate:g}" for rate in dict.fromkeys(rates))
    yield in_words, rates == [5e-6 if "code" in name else 1e-6 for name in run.stages]
    yield _updates(run)
    yield from _left_out(run)
    yield _evaluation(run)


def _of_sft(run: Run) -> Iterator[Ours]:
    yield _start(run)
    backbone, epochs = run.model["backbone"], run.config["trainer"]["max_epochs"]
    context = backbone["max_position_embeddings"] or (backbone["config"] or {}).get("max_position_embeddings")
    for value, wanted in ((backbone["rope_theta"], 1_000_000), (context, 131072)):
        yield number(value) if value else "the model's", value == wanted
    yield str(epochs), epochs in (5, 6)


def _start(run: Run) -> Ours:
    name = str(run.model.get("pretrained") or "random weights")
    return name, "qwen2.5-math-7b" in name.lower()


def _lengths(run: Run) -> Iterator[Ours]:
    """Yield the response budgets, and what happens to responses that reach them."""
    budgets = _in_stages(run, "max_response_length", run.model["sampling"]["max_response_length"])
    yield " → ".join(f"{budget:,}" for budget in budgets), budgets == [8192, 16384, 24576, 24576, 32768, 32768]
    policies = _in_stages(run, "overlong", (run.callback("Overlong") or {}).get("policy", "none"))
    # why: masking helps at 8K and 16K, is neutral at 24K and hurts at 32K (4.5.3)
    yield " → ".join(policies), policies == ["penalize" if budget >= 32768 else "mask" for budget in budgets]


def _temperature(run: Run) -> Ours:
    stages = _in_epochs(run, "temperature", run.model["sampling"]["temperature"])
    held = run.callback("TemperatureController")
    in_words = _several({value for _, value in stages})
    if held:
        return f"{in_words}, then moved to hold entropy {held['target']:g}", False
    # why: 1.1 says that it trains as 1.0 did, whose code stages had temperatures from 0.6 to 1.0
    return in_words, all(value == 0.85 or ("code" in name and 0.6 <= value <= 1.0) for name, value in stages)


def _updates(run: Run) -> Ours:
    if off_policy := run.model.get("off_policy"):
        return f"{off_policy['updates']}, by clipped ratios ({off_policy['ratio']})", False
    # why: a run of before there was `off_policy` may have taken several without any account of it
    return ("1", True) if run.model.get("strict_on_policy", True) else ("unchecked", False)


def _left_out(run: Run) -> Iterator[Ours]:
    """Yield the stages that easy problems leave, and those whose problems are screened before."""
    easy = [name for name, stage in run.stages.items() if stage["easy_filter"]]
    yield _names(easy), easy == [name for name in run.stages if "code" in name][-1:]
    screened = [f"{n} (from {stage['screen']:.0%} correct on)" for n, stage in run.stages.items() if stage["screen"]]
    yield _names(screened), bool(screened)


def _evaluation(run: Run) -> Ours:
    default, benchmarks = run.model["sampling"]["max_response_length"], run.data.get("benchmarks") or {}
    values = {
        name: (entry["n"], entry["temperature"], entry["top_p"], entry["max_response_length"] or default)
        for name, entry in benchmarks.items()
    }
    each = [f"{name}: avg@{n}, T {t:g}, top-p {p:g}, {budget:,} tokens" for name, (n, t, p, budget) in values.items()]
    return "; ".join(each) or "none", {*values.values()} == {(64, 0.6, 0.95, 32768)}


def _in_stages(run: Run, name: str, default: Any) -> list[Any]:
    """Return the stages' values of a setting; None stands for the default."""
    return [stage[name] or default for stage in run.stages.values()]


def _in_epochs(run: Run, name: str, default: Any) -> list[tuple[str, Any]]:
    """Return (stage, value) of a setting that a stage may have for each epoch."""
    values = zip(run.stages, _in_stages(run, name, default), strict=True)
    return [(stage, each) for stage, value in values for each in (value if isinstance(value, list) else [value])]


def _several(values: set) -> str:
    return listed(f"{value:g}" for value in sorted(values))


def _names(names: list[str]) -> str:
    return listed(names) if names else "no stage"


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
        ("on-policy", _on_policy(model.get("off_policy"))),
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


def _on_policy(off_policy: dict[str, Any] | None) -> str:
    """Return how many updates a batch of rollouts has, and by what objective, in words."""
    if off_policy is None:
        return "one update a batch, so that the ratio is 1: no old log-probs, no clip, no KL"
    return f"{off_policy['updates']} updates a batch, by clipped ratios to the {off_policy['old_logprobs']}'s log-probs"


def _engine_and_trainer(cap: float | None) -> str:
    """Return how the run treats the difference of their log-probs, in words."""
    if cap is None:
        return "the gap of log-probs is logged at each step and bounded; no importance weights"
    return f"each token is weighed by min(trainer / engine, {cap:g})"


def differences(runs: list[Run]) -> list[list[str]]:
    """Return rows of the keys in which the runs' configs differ, each with the value of every run."""
    flat = [_flat(run.config) for run in runs]
    keys = sorted(set.union(*(set(one) for one in flat)))
    rows = [[key, *(str(one.get(key, "-")) for one in flat)] for key in keys]
    # why: runs have folders of their own, so that the logger's keys differ always
    return [row for row in rows if len(set(row[1:])) > 1 and not row[0].startswith("trainer.logger")]


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
