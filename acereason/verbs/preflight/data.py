"""This module checks problems: their loading, tokens, ids, lengths, and ground truths by their own verifier."""

import re
from collections import Counter
from statistics import quantiles

from acereason.common.types import Problem
from acereason.data.loading import load_problems, longest_prompt, unusable
from acereason.modules.grpo import GRPOModule
from acereason.rewards.judge.asking import greeted
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.settings import JUDGE
from acereason.verbs.preflight.checks import Checks, Status
from acereason.verbs.preflight.planned import Job

_SHOWN = 3
_BARS = "·▁▂▃▄▅▆▇█"


def check_sources(job: Job[GRPOModule]) -> dict[str, list[Problem]]:
    """Check every source that a stage or a benchmark uses, and return the usable problems of those that loaded."""
    checks, module, data = job.checks, job.module, job.module.data
    used = [name for stage in data.stages.values() for name in stage.sources]
    used += [benchmark.source for benchmark in data.benchmarks.values()]
    loaded = {}
    for name in dict.fromkeys(used):
        key = f"data.sources.{name}"
        with checks.catching(key):
            problems, bad = load_problems(data.sources[name], name, data.template, module.tokenizer, key)
            room = longest_prompt(data.budgets(name, module.sampling), module.config.max_position_embeddings)
            total = len(problems) + len(bad)
            if problems:
                check_lengths(checks, key, [len(problem.prompt_ids) for problem in problems], room)
            check_unique(checks, key, problems)
            bad |= unusable(problems, room, module.rewards)
            check_bad_rows(checks, key, bad, total, excluded=data.bad_rows == "exclude")
            if good := [problem for problem in problems if problem.id not in bad]:
                check_verifier(checks, key, good, module.rewards)
                loaded[name] = good
    return loaded


def check_lengths(checks: Checks, key: str, lengths: list[int], room: int) -> None:
    """Add the spread of prompt lengths in tokens.

    Args:
        checks: takes the finding.
        key: the source's key.
        lengths: tokens of each prompt.
        room: tokens that the context leaves for a prompt beside the response budget.
    """
    # why: inclusive, so that the quantiles of few lengths lie among them
    low, middle, high = quantiles(lengths, n=20, method="inclusive")[0::9] if len(lengths) > 1 else (lengths[0],) * 3
    spread = f"5 % {low:.0f}, median {middle:.0f}, 95 % {high:.0f}, longest {max(lengths):,} of {room:,} tokens"
    checks.add(key, "ok", f"{len(lengths):,} prompts {histogram(lengths)} {spread}")


def histogram(lengths: list[int], bins: int = 12) -> str:
    """Draw the counts in equal bins from 0 to the longest, as a line of bars."""
    width = max(lengths) / bins or 1
    counts = Counter(min(bins - 1, int(length / width)) for length in lengths)
    top = max(counts.values())
    return "".join(_BARS[-(-counts[i] * (len(_BARS) - 1) // top)] for i in range(bins))


def check_unique(checks: Checks, key: str, problems: list[Problem]) -> None:
    """Require unique ids, and warn of problems that stand in the source twice."""
    # why: seeds and the easy filter refer to a problem by its id
    ids = [name for name, count in Counter(problem.id for problem in problems).items() if count > 1]
    checks.require(f"{key}.fields.id", not ids, "ids are unique", f"{len(ids)} ids occur more than once, {_some(ids)}")
    texts = Counter(problem.statement for problem in problems)
    twice = sum(count - 1 for count in texts.values())
    if twice:
        checks.add(key, "warning", f"{twice:,} rows repeat the statement of another")


def check_bad_rows(checks: Checks, key: str, bad: dict[str, str], total: int, excluded: bool) -> None:
    """Add the rows that `fit` would refuse or leave out."""
    if not bad:
        checks.add(key, "ok", "every row has ground truth that its verifier accepts, and a prompt that fits")
        return
    shown = _some([f"{row} ({reason})" for row, reason in bad.items()])
    usable = excluded and len(bad) < total
    fate = "will be left out" if usable else "can't be used; mend them, or set data.bad_rows: exclude"
    checks.add(key, "warning" if usable else "failure", f"{len(bad)} of {total:,} rows {fate}: {shown}")


def check_verifier(checks: Checks, key: str, problems: list[Problem], rewards: RewardPool) -> None:
    """Check that the verifier tells an empty response and a near miss from the ground truth. A judge is not asked."""
    if [*rewards.settings.weights] == [JUDGE]:
        checks.add(key, "ok", "a judge alone tells right from wrong: it is not asked here about every problem")
        return
    for what, texts in {"an empty response": [""] * len(problems), "a near miss": map(near_miss, problems)}.items():
        verdicts = [rewards.submit(problem, text, asking=False) for problem, text in zip(problems, texts, strict=True)]
        statuses = [verdict.result().status for verdict in verdicts]
        slips = [problem.id for problem, status in zip(problems, statuses, strict=True) if status != "wrong"]
        if not slips:
            checks.add(key, "ok", f"{what} is judged wrong")
            continue
        # why: a few slips don't stop the run, as the run itself goes on with as many errors
        status: Status = "warning" if len(slips) <= rewards.settings.max_error_rate * len(problems) else "failure"
        checks.add(key, status, f"{what} is not judged wrong for {len(slips)} of {len(problems):,}: {_some(slips)}")


def check_judge(checks: Checks, rewards: RewardSettings) -> None:
    """Check that the judge, where there is one, gives a verdict on a made-up problem."""
    if rewards.judge is not None:
        with checks.catching("rewards.judge"):
            checks.add("rewards.judge", "ok", greeted(rewards.judge))


def near_miss(problem: Problem) -> str:
    """Return a response that is wrong by a little: with the last number of the answer plus one."""
    # why: a program that does nothing must fail every test that tests something
    if problem.tests is not None:
        return "```python\npass\n```"
    numbers = list(re.finditer(r"\d+", problem.answer))
    if not numbers:
        return f"\\boxed{{{problem.answer}+1}}"
    last = numbers[-1]
    more = str(int(last.group()) + 1).zfill(len(last.group()))
    return f"\\boxed{{{problem.answer[: last.start()]}{more}{problem.answer[last.end() :]}}}"


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
