"""This module reads a study's measures from its runs: a curve at some moments, or numbers of a benchmark."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from acereason.common.errors import UserError, did_you_mean
from acereason.evaluation.results import Result, read_results
from acereason.runs.curves import Curve
from acereason.runs.report.reading import Run, read_outline
from acereason.verbs.studies.plan import END, Cell, Job, StudyStep, moments, runs_folder

PASSES = "pass_at_k"
"""The value of a `test` that has a moment for each k."""
_SHARES = ("avg", "majority", "truncated", "error_rate", "zero_variance", "correct", PASSES)
"""Last words of measures that are shares, and shown in percent."""

Values = dict[str, dict[str, dict[int, float]]]
"""{moment: {arm: {seed: value}}} of one measure."""


@dataclass
class Measure:
    """What is read from the runs of a step."""

    step: str
    """The step's name."""
    value: str
    """Of a `test`: avg, majority, length_mean, truncated, error_rate, pass@8 and the like, or pass_at_k for every k,
    with moments k=1, k=2, ... Of a `fit`: a metric's name, such as policy/entropy or eval/heldout/avg."""
    benchmark: str | None = None
    """Name of the benchmark, of a `test`."""
    at: list[str | int] = field(default_factory=lambda: [END])
    """Moments of a `fit`: a stage's name is its end, a number is of that step's update, `end` is the run's."""
    over: int = 1
    """Number of logged values up to the moment, of a `fit`, whose mean is taken."""

    @property
    def is_share(self) -> bool:
        """Whether the values are shares, which are shown in percent."""
        return self.value.rpartition("/")[2].partition("@")[0] in (*_SHARES, "pass")

    @property
    def is_evaluation(self) -> bool:
        """Whether the values come of evaluations inside a `fit`, between updates, and not of the updates."""
        return self.value.startswith("eval/")

    @property
    def unit(self) -> str:
        """Unit of what is shown."""
        units = {"policy/entropy": "nats", "response/length_mean": "tokens", "length_mean": "tokens"}
        return "%" if self.is_share else units.get(self.value, "")


def check_measures(measures: Mapping[str, Measure], steps: Sequence[StudyStep]) -> None:
    """Raise a UserError for a measure of no step, or of a benchmark that it doesn't name."""
    verbs = {step.name: step.verb for step in steps}
    for name, measure in measures.items():
        if measure.step not in verbs:
            hint = did_you_mean(measure.step, verbs) or f"there are {list(verbs)}"
            raise UserError(f"measures.{name}.step: no step {measure.step}; {hint}")
        if (verbs[measure.step] == "test") != (measure.benchmark is not None):
            raise UserError(f"measures.{name}.benchmark: a measure of `test` needs one, one of `fit` has none")
        if measure.over < 1:
            raise UserError(f"measures.{name}.over: {measure.over} values have no mean; give 1 or more")


def moments_of(measure: Measure, steps: Sequence[StudyStep]) -> Collection[str] | None:
    """Return the moments that a measure has; None of `pass_at_k`, of which only results tell each k."""
    if measure.benchmark is None:
        return [str(moment) for moment in measure.at]
    if measure.value == PASSES:
        return None
    return [moment for step in steps if step.name == measure.step for moment, _ in moments(step)]


def check_run(measures: Mapping[str, Measure], job: Job, folder: Path) -> None:
    """Raise a UserError where a finished run hasn't what is measured of its step: after the first run, not the last."""
    for name, measure in measures.items():
        if measure.step == job.step.name:
            _of_run(name, measure, runs_folder(folder) / job.id, END)


def read_values(name: str, measure: Measure, cells: Mapping[Cell, Job], folder: Path) -> Values:
    """Return a measure's values in the units that are shown: shares in percent.

    Raises:
        UserError: a run hasn't what is measured; names the measure.
    """
    found: Values = {}
    for cell, job in cells.items():
        if cell.step == measure.step:
            for moment, value in _of_run(name, measure, runs_folder(folder) / job.id, cell.moment).items():
                shown = 100 * value if measure.is_share else value
                found.setdefault(moment, {}).setdefault(cell.arm, {})[cell.seed] = shown
    return found


def curves_of(measure: Measure, cells: Mapping[Cell, Job], folder: Path) -> dict[str, list[Curve]]:
    """Return the whole curves of a `fit` measure by arm, one a seed; shares in percent."""
    found: dict[str, list[Curve]] = {}
    factor = 100 if measure.is_share else 1
    for cell, job in cells.items():
        if cell.step == measure.step:
            curve = read_outline(runs_folder(folder) / job.id, job.id).curves[measure.value]
            found.setdefault(cell.arm, []).append([(step, factor * value) for step, value in curve])
    return found


def _of_run(name: str, measure: Measure, run: Path, moment: str) -> dict[str, float]:
    if measure.benchmark is None:
        return _of_fit(name, measure, read_outline(run, run.name))
    results = read_results(run)
    if measure.benchmark not in results:
        raise UserError(f"measures.{name}.benchmark: no {measure.benchmark}; there are {', '.join(results)}")
    return {
        moment if not k else k if moment == END else f"{moment} {k}": value
        for k, value in _of_test(name, measure, results[measure.benchmark]).items()
    }


def _of_test(name: str, measure: Measure, result: Result) -> dict[str, float]:
    """Return the values by k=1, k=2, ..., or a single one by an empty text; none where verifiers failed too often."""
    if measure.value == PASSES:
        return {f"k={k}": value for k, value in result.pass_at_k.items() if value is not None}
    numbers: dict[str, float | None] = {
        field: value for field, value in vars(result).items() if isinstance(value, float | int | None)
    }
    numbers |= {f"pass@{k}": value for k, value in result.pass_at_k.items()}
    if measure.value not in numbers:
        hint = did_you_mean(measure.value, numbers) or f"there are {', '.join(numbers)}"
        raise UserError(f"measures.{name}.value: the results of {measure.benchmark} have no {measure.value}; {hint}")
    value = numbers[measure.value]
    return {} if value is None else {"": float(value)}


def _of_fit(name: str, measure: Measure, run: Run) -> dict[str, float]:
    curve = run.curves.get(measure.value, [])
    if not curve:
        hint = did_you_mean(measure.value, run.curves)
        raise UserError(f"measures.{name}.value: {run.name} has logged no {measure.value}; {hint}")
    return {str(moment): _at(name, measure, curve, _last_step(name, measure, moment, run)) for moment in measure.at}


def _last_step(name: str, measure: Measure, moment: str | int, run: Run) -> int:
    """Return the step of the last value that a moment has."""
    # why: an evaluation is logged at the number of updates before it, an update at its own number, from 0
    after = measure.is_evaluation
    if moment == END:
        return run.steps
    if isinstance(moment, int):
        return moment
    ends = {span.name: span.last + after for span in run.spans()}
    if moment not in ends:
        raise UserError(f"measures.{name}.at: {run.name} has no stage {moment}; there are {', '.join(ends)}")
    return ends[moment]


def _at(name: str, measure: Measure, curve: Curve, last: int) -> float:
    values = [value for step, value in curve if step <= last][-measure.over :]
    if not values:
        raise UserError(f"measures.{name}.at: {measure.value} has no value at step {last} or before")
    return fmean(values)
