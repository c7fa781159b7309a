"""The verb `study` runs a recipe's arms with several seeds, and tells what their differences show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from acereason.common.errors import UserError
from acereason.common.files import check_writable, write_atomically, write_json
from acereason.runs.report.markdown import write_markdown
from acereason.runs.report.page import render
from acereason.verbs.studies.claims import Claim, Table, check_claims, decide
from acereason.verbs.studies.costs import told
from acereason.verbs.studies.fits import COEFFICIENTS, FITTED, Scaling, check_fits, fitted
from acereason.verbs.studies.measures import Measure, check_measures, check_run, curves_of, moments_of, read_values
from acereason.verbs.studies.page import page
from acereason.verbs.studies.plan import Arms, StudyStep, plan
from acereason.verbs.studies.work import Work, check_folder


def study(
    title: str,
    folder: str,
    steps: list[StudyStep],
    arms: dict[str, dict[str, list[str]]],
    seeds: list[int],
    measures: dict[str, Measure],
    fits: dict[str, Scaling] | None = None,
    claims: list[Claim] | None = None,
    about: str = "",
    runs: str | None = None,
    plan_only: bool = False,
) -> None:
    """Run every arm with every seed, and write the page of their differences. A finished run is never repeated: the
    same command goes on after a kill, and several processes may give it at once and share the work.

    Args:
        title: the question, which is the page's title.
        folder: the study's folder: `runs` has a run folder for each run, `jobs` its log and mark, `report` the page as
            report.html and report.md. Several machines may share it.
        steps: the base recipe; each seed of each arm takes them in order.
        arms: further flags for steps, by arm; `{}` is the base itself. Steps that come out equal are run once.
        seeds: values of `seed_everything`, which every run is given. A claim needs at least five.
        measures: what is read from the runs, by name.
        fits: regressions of a measure on the arms' numbers of prompts and responses (4.4.2), by name. A claim can be of
            one, with places `fit@a`, `fit@b`, `fit@c` and `fit@r2`.
        claims: findings, each of which the page says it shows, doesn't show or can't tell.
        about: sentences below the title: how large the runs are, and what they can't show.
        runs: folder of `runs` and `jobs` in place of the study's own: equal runs of studies that name the same one are
            done once.
        plan_only: tell the number of runs, minutes and disk, and run nothing.
    """
    place, shared, claimed, fits = Path(folder), Path(runs or folder), claims or [], fits or {}
    if not measures:
        raise UserError("measures: a study needs at least one")
    cells = plan(steps, arms, seeds, shared)
    check_findings(measures, fits, claimed, arms, steps)
    for key, path in {"folder": place, "runs": shared}.items():
        check_folder(path, key)
        check_writable(path, key)
    work = Work(shared, list(cells.values()))
    print(f"study: {told(cells, work)}", flush=True)
    if plan_only:
        return
    work.do_all(lambda job: check_run(measures, job, shared))
    values = {name: read_values(name, measure, cells, shared) for name, measure in measures.items()}
    shown = measures | {name: measures[fit.measure] for name, fit in fits.items()}
    values |= {name: fitted(name, fit, values) for name, fit in fits.items()}
    curves = {name: curves_of(m, cells, shared) for name, m in measures.items() if m.benchmark is None}
    decisions = [decide(claim, shown[claim.measure], values[claim.measure]) for claim in claimed]
    content = page(title, about, measures, values, curves, decisions)
    write_json(place / "results.json", values)
    write_markdown(content, place / "report")
    write_atomically(place / "report" / "report.html", render(content))
    for decision in decisions:
        print(decision.sentence())
    print(f"the page is {place / 'report' / 'report.html'}")


def check_findings(
    measures: Mapping[str, Measure],
    fits: Mapping[str, Scaling],
    claims: Sequence[Claim],
    arms: Arms,
    steps: Sequence[StudyStep],
) -> None:
    """Raise a UserError where measures, fits and claims name what the study hasn't, as far as no run must tell."""
    check_measures(measures, steps)
    check_fits(fits, measures, arms, steps)
    tables: dict[str, Table] = {name: (arms, moments_of(measure, steps)) for name, measure in measures.items()}
    check_claims(claims, tables | dict.fromkeys(fits, ([FITTED], COEFFICIENTS)))
