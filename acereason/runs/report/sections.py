"""This module makes a report's sections, in the order of a reader's questions."""

from collections.abc import Callable, Iterable

from acereason.runs.health.entropy import EntropyBand
from acereason.runs.health.rules import Limits
from acereason.runs.health.watch import Finding, replay
from acereason.runs.report import problems
from acereason.runs.report.content import Block, Heading, Notices, Plots, Report, Section, Table, Text, Timeline
from acereason.runs.report.plots import constants, curve_plots, evaluation_plots, time_plots
from acereason.runs.report.reading import Run, Span
from acereason.runs.report.recipe import choices, differences, settings
from acereason.runs.report.samples import samples_of
from acereason.runs.report.story import seconds, sentence
from acereason.runs.report.words import amount, arrow, decimals, duration, listed, number, percent


def report_of(runs: list[Run]) -> Report:
    """Make the report of one run, or of several laid over each other; sections without content are left out."""
    sections = [
        Section("health", "Is it healthy?", _each(runs, _health)),
        Section("stages", "Stages", _each(runs, _stages)),
        Section("differences", "What differs between the runs", _differences(runs)),
        Section("curves", "Curves", _curves(runs)),
        Section("evaluations", "Evaluations", _evaluations(runs)),
        Section("time", "Where the time goes", _time(runs)),
        Section("problems", "Problems", _each(runs, _problems)),
        Section("filtered", "Problems that were left out", _each(runs, _filtered)),
        Section("verdicts", "Verdicts", _each(runs, _verdicts)),
        Section("samples", "Responses", _each(runs, _samples)),
        Section("recipe", "Settings compared with the paper's", _each(runs, _recipe)),
    ]
    title = listed(run.name for run in runs)
    return Report(title, [sentence(run) for run in runs], [section for section in sections if section.blocks])


def _each(runs: list[Run], blocks: Callable[[Run], Iterable[Block]]) -> list[Block]:
    """Return the blocks of each run, under its name where there are several runs."""
    found: list[Block] = []
    for run in runs:
        own = list(blocks(run))
        found += [Heading(run.name), *own] if own and len(runs) > 1 else own
    return found


def _health(run: Run) -> list[Block]:
    if run.health is not None:
        return [Notices(_by_rule([Finding(**row) for row in run.health]), "No health rule fired.")]
    note = Text(
        "The run was not watched (callbacks `Health`, `EntropyMonitor`); the rules are applied now, to its curves."
    )
    return [note, Notices(_by_rule(findings(run)), "No health rule fires.")]


def _by_rule(found: list[Finding]) -> list[tuple[str, str, str]]:
    """Return (rule, stages and steps, first message) of each rule that fired."""
    # why: reversed, so that the first message of a rule is the one that stays
    first = {finding.rule: finding.message for finding in reversed(found)}
    where = {rule: [f"{f.stage} at step {f.step}" for f in found if f.rule == rule] for rule in first}
    return [(rule, listed(where[rule]), first[rule]) for rule in dict.fromkeys(f.rule for f in found)]


def entropy_band(run: Run) -> EntropyBand | None:
    """Return the run's band of entropy, its own or the paper's; None for SFT, whose entropy has no target."""
    # why: how often the rules are applied is no part of the band
    own = {key: value for key, value in (run.callback("EntropyMonitor") or {}).items() if key != "every_n_steps"}
    return EntropyBand(**own) if run.is_rl else None


def findings(run: Run) -> list[Finding]:
    """Apply the health rules to a run's curves."""
    band = entropy_band(run)
    watches = [*([band.watch()] if band else []), Limits(**(run.callback("Health") or {}).get("limits", {})).watch()]
    tables = {name: dict(curve) for name, curve in run.curves.items()}
    steps = (
        (step, span.name, {name: table[step] for name, table in tables.items() if step in table})
        for span in run.spans()
        for step in range(span.first, span.last + 1)
    )
    return replay(steps, watches)


def _stages(run: Run) -> list[Block]:
    return [*([timeline(run)] if run.is_rl else []), stage_table(run)]


def timeline(run: Run) -> Timeline:
    """Return the timeline of the run's stages, past ones and those to come."""
    done = {span.name: span for span in run.spans()}
    bars = []
    for name, stage in run.stages.items():
        budget = f"{stage['max_response_length']:,} tokens" if stage["max_response_length"] else ""
        note = ", ".join(filter(None, [budget, stage["overlong"]]))
        steps = done[name].steps if name in done else 0
        sources = [run.data["sources"][source] for source in stage["sources"]]
        bars.append((name, note, steps, sources[0].get("task", "math") if steps else "to come"))
    return Timeline(run.name, bars)


def stage_table(run: Run) -> Table:
    """Return the table of stages; arrows go from the mean of a stage's first tenth of steps to that of its last."""
    columns = [(name, write) for name, write in (_RL_COLUMNS if run.is_rl else _SFT_COLUMNS).items()]
    head = ["stage", "steps", "time", "response tokens", *(name for name, _ in columns)]
    return Table(head, [[*_stage_head(run, span), *(write(run, span) for _, write in columns)] for span in run.spans()])


def _stage_head(run: Run, span: Span) -> list[str]:
    tokens = amount(sum(run.values("response/tokens", span)))
    return [span.name, number(span.steps), duration(seconds(run, span)), tokens]


def _change(name: str, write: Callable[[float], str] = number) -> Callable[[Run, Span], str]:
    return lambda run, span: arrow(run.values(name, span), write)


def _left(run: Run, span: Span) -> str:
    values = run.values("stage/remaining", span)
    return arrow([values[0], values[-1]], number) if values else "-"


_RL_COLUMNS = {
    "reward": _change("reward/mean", percent),
    "entropy": _change("policy/entropy", decimals),
    "length": _change("response/length_mean"),
    "truncated": _change("response/truncated", percent),
    "without gradient": _change("reward/zero_variance", percent),
    "problems": _left,
}
_SFT_COLUMNS = {"loss": _change("policy/loss", decimals), "entropy": _change("policy/entropy", decimals)}


def _differences(runs: list[Run]) -> list[Block]:
    return [Table(["key", *(run.name for run in runs)], differences(runs))] if len(runs) > 1 else []


def _curves(runs: list[Run]) -> list[Block]:
    aim = entropy_band(runs[0])
    band = (aim.target - aim.band, aim.target + aim.band) if aim else None
    plots = curve_plots(runs, band)
    note = "Thin: each step. Thick: the mean of the last ones."
    if plots and plots[0].spans:
        note += " Numbers above: the stages."
    if band and any(plot.band for plot in plots):
        note += f" Green: entropy {max(0, band[0]):g} to {band[1]:g}, which is aimed at."
    return [Text(" ".join([note, *constants(runs)])), Plots(plots)] if plots else []


def _evaluations(runs: list[Run]) -> list[Block]:
    plots = evaluation_plots(runs)
    several = len(runs) > 1
    rows = [[*[run.name] * several, *row] for run in runs for row in _accuracies(run)]
    head = [*["run"] * several, "benchmark", "metric", "first", "best", "last", "last: truncated", "last: mean tokens"]
    table = [Table(head, rows)] if rows else []
    note = [Text("Bars: one standard error over problems.")] if rows else []
    return [*note, Plots(plots), *table] if plots else []


def _accuracies(run: Run) -> list[list[str]]:
    rows = []
    for name in run.benchmarks:
        values = run.curves[f"eval/{name}/avg"]
        errors = dict(run.curves.get(f"eval/{name}/stderr", []))
        accuracies = [f"{percent(v)} ± {percent(errors.get(step, 0.0))}" for step, v in values]
        best = max(range(len(values)), key=lambda i: values[i][1])
        n = run.data["benchmarks"][name]["n"]
        last = [run.values(f"eval/{name}/{kind}")[-1] for kind in ("truncated", "length_mean")]
        best_in_words = f"{accuracies[best]} (step {values[best][0]})"
        rows.append([name, f"avg@{n}", accuracies[0], best_in_words, accuracies[-1], percent(last[0]), number(last[1])])
    return rows


def _time(runs: list[Run]) -> list[Block]:
    plots = time_plots(runs)
    return [Plots(plots)] if plots else []


def _problems(run: Run) -> list[Block]:
    met = problems.problems_of(run)
    if not met:
        return []
    note = f"{len(met):,} problems were sampled, {len(run.groups):,} times in all."
    tables: list[Block] = [
        Heading("The hardest"),
        problems.problem_table(problems.hardest(met)),
        Heading("The easiest"),
        problems.problem_table(problems.easiest(met)),
    ]
    return [Text(note), Plots([problems.pass_rates(run), problems.lengths(run)]), *tables]


def _filtered(run: Run) -> list[Block]:
    return [problems.filtered_table(run)] if run.filtered else []


def _verdicts(run: Run) -> list[Block]:
    return [problems.verdict_table(run)] if run.groups else []


def _samples(run: Run) -> list[Block]:
    samples = samples_of(run)
    return [samples] if samples.samples else []


def _recipe(run: Run) -> list[Block]:
    rows = settings(run)
    table = Table(
        ["", "the paper", "section", "this run"],
        [[row.name, row.paper, row.where, row.ours] for row in rows],
        ["" if row.same else "differs" for row in rows],
    )
    note = Heading("Choices that the paper leaves open, as this run makes them")
    return [table, note, Table(["question", "this run"], [list(row) for row in choices(run)])]
