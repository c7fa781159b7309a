"""A report's sections, in the order of what a reader asks."""

from acereason.report.content import Plots, Report, Section, Table, Timeline
from acereason.report.plots import curve_plots, evaluation_plots, time_plots
from acereason.report.reading import Run, num_parameters
from acereason.report.words import amount, arrow, duration, listed, number, percent


def report_of(runs: list[Run]) -> Report:
    """Everything that is said of the runs."""
    sections = [
        Section("stages", "Stages", [*[timeline(run) for run in runs], *[stage_table(run) for run in runs]]),
        Section("curves", "Curves", [Plots(curve_plots(runs, None))]),
        Section("evaluations", "Evaluations", [Plots(evaluation_plots(runs))]),
        Section("time", "Time", [Plots(time_plots(runs))]),
    ]
    title = listed(run.name for run in runs)
    return Report(title, [sentence(run) for run in runs], sections)


def sentence(run: Run) -> str:
    """The run in one sentence: model, data, stages, steps, time, and what it came to."""
    size = num_parameters(run.folder)
    model = f"A Qwen2 of {amount(size)} parameters" if size else "A Qwen2"
    start = f" from {run.model['pretrained']}" if run.model.get("pretrained") else " with random weights"
    stages = f" in {len(run.stages)} stages" if run.is_rl else ""
    way = "reinforcement learning (GRPO)" if run.is_rl else "supervised fine-tuning"
    state = "has had" if run.finished else "has so far had"
    head = f"{model}{start} {state} {number(run.steps)} steps of {way}{stages}, in {duration(seconds(run))}"
    return f"{head}{_outcome(run)}."


def seconds(run: Run) -> float:
    """Of all steps, with the transfers of weights; without evaluations and checkpoints."""
    return sum(sum(run.values(name)) for name in ("time/rollout", "time/reward", "time/train", "sync/seconds"))


def _outcome(run: Run) -> str:
    told = []
    for name in run.benchmarks:
        values = run.values(f"eval/{name}/avg")
        told.append(f"{name} from {percent(values[0])} to {percent(values[-1])}")
    return f": accuracy on {listed(told)}" if told else ""


def timeline(run: Run) -> Timeline:
    """The stages it has been in."""
    bars = []
    for span in run.spans():
        stage = run.stages.get(span.name, {})
        budget = stage.get("max_response_length")
        told = f"{budget:,} tokens, {stage['overlong'] or 'mask'}" if budget else ""
        bars.append((span.name, told, span.steps, "code" if "code" in span.name else "math"))
    return Timeline(run.name, bars)


def stage_table(run: Run) -> Table:
    """What each stage did; arrows go from the mean of its first tenth of steps to that of its last."""
    head = ["stage", "steps", "time", "response tokens", "reward", "entropy", "length", "truncated"]
    rows = []
    for span in run.spans():
        time = sum(sum(run.values(name, span)) for name in ("time/rollout", "time/reward", "time/train"))
        rows.append(
            [
                span.name,
                number(span.steps),
                duration(time),
                amount(sum(run.values("response/tokens", span))),
                arrow(run.values("reward/mean", span), percent),
                arrow(run.values("policy/entropy", span)),
                arrow(run.values("response/length_mean", span)),
                arrow(run.values("response/truncated", span), percent),
            ]
        )
    return Table(head, rows)
