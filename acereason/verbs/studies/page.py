"""This module makes a study's page: verdicts, figures and tables."""

from collections.abc import Callable, Mapping, Sequence
from math import isinf
from statistics import fmean

from acereason.runs.curves import Curve
from acereason.runs.report.content import Block, Heading, Line, Plot, Plots, Report, Section, Table, Text
from acereason.runs.report.plots import columns, smooth
from acereason.verbs.studies.claims import Decision
from acereason.verbs.studies.measures import Measure, Values
from acereason.verbs.studies.statistics import Estimate, estimate

Curves = Mapping[str, list[Curve]]
"""Curves of one measure by arm, one a seed."""


def page(
    title: str,
    about: str,
    measures: Mapping[str, Measure],
    values: Mapping[str, Values],
    curves: Mapping[str, Curves],
    decisions: Sequence[Decision],
) -> Report:
    """Make the report of a study.

    Args:
        title: the study's question.
        about: sentences on what was run, how large, and what it can't show.
        measures: the measures by name.
        values: their values, and those of fits.
        curves: whole curves of those measures that have some.
        decisions: what the study says about its claims.
    """
    measured = {name: found for name, found in values.items() if name in measures}
    plots = [
        _plot(name, measures[name], found) for name, found in measured.items() if len(found) > 1 or _arms(found) > 1
    ]
    courses = [_course(name, measures[name], found) for name, found in curves.items()]
    tables = [block for name, found in measured.items() for block in _tables(name, measures[name], found)]
    fits = [block for name, found in values.items() if name not in measures for block in _fit(name, found)]
    sections = [
        Section("claims", "What it shows", _claims(decisions)),
        Section("figures", "Figures", [Text(_BARS), Plots(plots)] if plots else []),
        Section(
            "courses", "Over steps", [Text("Faint: each seed. Thick: their mean."), Plots(courses)] if courses else []
        ),
        Section("numbers", "Numbers", [Text(_NUMBERS), *tables, *fits]),
    ]
    return Report(title, [about] if about else [], [section for section in sections if section.blocks])


_BARS = "Bars: one standard error over seeds."
_NUMBERS = (
    "Mean ± standard error over seeds. A difference is taken between arms with the same seed, and its 95 % interval is "
    "Student's t over seeds: it covers other seeds of training and of sampling, on the same problems."
)


def _claims(decisions: Sequence[Decision]) -> list[Block]:
    marks = {"Shows": "correct", "Doesn't show": "wrong", "Can't tell": "error"}
    rows = [[d.verdict, d.claim.says, _shown(d), d.counts(), d.claim.paper] for d in decisions]
    head = ["", "claim", "here, 95 % interval", "would count", "the paper"]
    sentences = [Text(decision.sentence()) for decision in decisions]
    return [*sentences, Table(head, rows, [marks[d.verdict] for d in decisions])] if decisions else []


def _shown(decision: Decision) -> str:
    return f"{_difference(decision.contrast)} {decision.unit}".strip()


def _difference(found: Estimate) -> str:
    """Format a difference with the ends of its interval; without them where one seed has none."""
    low, high = found.interval()
    return f"{found.mean:+.2f}" if isinf(low) else f"{found.mean:+.2f} ({low:+.2f} to {high:+.2f})"


def _plot(name: str, measure: Measure, values: Values) -> Plot:
    """Return the plot of a measure over its moments, or over arms where it has one moment."""
    if len(values) > 1:
        arms = list(dict.fromkeys(arm for by_arm in values.values() for arm in by_arm))
        lines = [_over_moments(arm, number, values) for number, arm in enumerate(arms)]
        return Plot(f"measure-{name}", name, lines, measure.unit, xlabel="")
    ((_, by_arm),) = values.items()
    found = {arm: estimate(list(seeds.values())) for arm, seeds in by_arm.items()}
    # why: a line for each: one through all of them would say that arms have an order
    lines = [Line(arm, [arm], [e.mean], "points", n, [_bar(e.stderr)]) for n, (arm, e) in enumerate(found.items())]
    return Plot(f"measure-{name}", name, lines, measure.unit, xlabel="")


def _over_moments(arm: str, number: int, values: Values) -> Line:
    found = {moment: estimate(list(by_arm[arm].values())) for moment, by_arm in values.items() if arm in by_arm}
    means, errors = [one.mean for one in found.values()], [_bar(one.stderr) for one in found.values()]
    return Line(arm, list(found), means, "points", number, errors)


def _bar(stderr: float) -> float:
    return 0.0 if isinf(stderr) else stderr


def _course(name: str, measure: Measure, curves: Curves) -> Plot:
    # why: evaluations are few and far between: a mean over five of them would be one over most of the run
    drawn: Callable[[Curve], Curve] = (lambda curve: curve) if measure.is_evaluation else smooth
    lines = []
    for number, (arm, seeds) in enumerate(curves.items()):
        lines += [Line(arm, *columns(drawn(curve)), "faint", number) for curve in seeds]
        lines.append(Line(arm, *columns(drawn(mean_curve(seeds))), "line", number))
    return Plot(f"course-{name}", name, lines, measure.unit)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean over seeds at the steps that all of them have."""
    tables = [dict(curve) for curve in curves]
    shared = sorted(set.intersection(*map(set, tables)))
    return [(step, fmean(table[step] for table in tables)) for step in shared]


def _tables(name: str, measure: Measure, values: Values) -> list[Block]:
    arms = list(dict.fromkeys(arm for by_arm in values.values() for arm in by_arm))
    unit = f" ({measure.unit})" if measure.unit else ""
    most = max((len(by_seed) for by_arm in values.values() for by_seed in by_arm.values()), default=0)
    rows = [[moment, *(_mean(by_arm.get(arm, {}), most) for arm in arms)] for moment, by_arm in values.items()]
    blocks: list[Block] = [Heading(f"{name}{unit}: {_what(measure)}"), Table(["moment", *arms], rows)]
    if len(arms) > 1:
        first, *others = arms
        differences = [[moment, *(_paired(v, first, arm) for arm in others)] for moment, v in values.items()]
        blocks.append(Table(["moment", *(f"{arm} - {first}" for arm in others)], differences))
    return blocks


def _fit(name: str, values: Values) -> list[Block]:
    """Return the coefficients of a fit, which are no curve."""
    means = [_mean(by_seed, 0) for by_arm in values.values() for by_seed in by_arm.values()]
    heading = f"{name}: a log2 prompts + b log2 responses + c, the logarithms standardized (4.4.2)"
    return [Heading(heading), Table(list(values), [means])]


def _what(measure: Measure) -> str:
    where = f" of {measure.benchmark}" if measure.benchmark else ""
    over = f", mean of {measure.over}" if measure.over > 1 else ""
    return f"{measure.value}{where} after {measure.step}{over}"


def _mean(by_seed: Mapping[int, float], most: int) -> str:
    """Format a mean with its standard error, and with its number of seeds where others have more."""
    if not by_seed:
        return "-"
    found = estimate(list(by_seed.values()))
    error = "" if isinf(found.stderr) else f" ± {found.stderr:.2f}"
    return f"{found.mean:.2f}{error}" + (f" (seeds: {found.seeds})" if found.seeds < most else "")


def _paired(by_arm: Mapping[str, Mapping[int, float]], first: str, second: str) -> str:
    before, after = by_arm.get(first, {}), by_arm.get(second, {})
    differences = [after[seed] - before[seed] for seed in before if seed in after]
    return _difference(estimate(differences)) if differences else "-"


def _arms(values: Values) -> int:
    return len({arm for by_arm in values.values() for arm in by_arm})
