"""This module sums a run up in one sentence."""

from acereason.runs.report.plots import TIMES
from acereason.runs.report.reading import Run, Span, num_parameters
from acereason.runs.report.words import amount, duration, listed, number, percent


def sentence(run: Run) -> str:
    """Return a sentence with the run's model, data, stages, steps, time and outcome."""
    size = num_parameters(run.files.export)
    model = f"A Qwen of {amount(size)} parameters" if size else "A Qwen"
    pretrained = run.model.get("pretrained")
    start = f", trained from {pretrained}," if pretrained else ", trained from random weights,"
    state = "had" if run.finished else "has so far had"
    way = f"reinforcement learning{_stages(run)}" if run.is_rl else "supervised fine-tuning"
    head = f"{model}{start} {state} {number(run.steps)} steps of {way} in {duration(seconds(run))}"
    return f"{head}{_outcome(run)}."


def seconds(run: Run, span: Span | None = None) -> float:
    """Return the seconds of steps, with the transfers of weights and without evaluations and checkpoints.

    Args:
        run: the run.
        span: the stage that is meant; None takes all of the run.
    """
    return sum(sum(run.values(name, span)) for name in TIMES)


def _stages(run: Run) -> str:
    sources = {
        source: run.data["sources"][source].get("task", "math") for s in run.stages.values() for source in s["sources"]
    }
    tasks = listed(dict.fromkeys(sources.values()))
    now = len(run.spans())
    count = f"{len(run.stages)} stages" if now == len(run.stages) else f"{now} of {len(run.stages)} stages"
    return f" on {tasks} (GRPO, {count})"


def _outcome(run: Run) -> str:
    changes = []
    for name in run.benchmarks:
        values = run.values(f"eval/{name}/avg")
        changes.append(f"{name} from {percent(values[0])} to {percent(values[-1])}")
    if changes:
        return f", which took its accuracy on {listed(changes)}"
    losses = {name: run.values(name) for name in run.curves if name.startswith("eval/") and name.endswith("/loss")}
    changes = [f"{name.split('/')[1]} from {number(v[0])} to {number(v[-1])}" for name, v in losses.items()]
    return f", which took its loss on {listed(changes)}" if changes else ""
