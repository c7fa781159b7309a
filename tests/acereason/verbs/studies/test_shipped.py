"""Studies that are shipped: their settings agree, and each run's command line builds what it names."""

import re
from pathlib import Path
from statistics import fmean

import pytest
from jsonargparse import Namespace

import callbacks  # noqa: F401  the YAML names them
from acereason.common.types import Problem
from acereason.verbs.lightning_cli import lightning_cli
from acereason.verbs.parsing import Parser
from acereason.verbs.studies.plan import Job, plan
from acereason.verbs.studies.verb import check_findings, study
from conf.studies.coin import coin

STUDIES = sorted(path for path in Path("conf/studies").glob("*.yaml") if path.stem != "debug-test")


def settings(path: Path) -> Namespace:
    parser = Parser(parser_mode="omegaconf+")
    parser.add_function_arguments(study)
    return parser.instantiate(parser.parse_path(path))


@pytest.mark.parametrize("path", STUDIES, ids=str)
def test_settings_agree_with_each_other(path):
    given = settings(path)
    check_findings(given.measures, given.fits or {}, given.claims, given.arms, given.steps)
    assert given.folder == f"runs/studies/{path.stem}"
    assert len(given.seeds) >= (2 if path.stem == "debug" else 5)
    assert all(step.minutes and step.megabytes for step in given.steps)


@pytest.mark.parametrize("page", sorted(Path("docs/studies").glob("*/report.md")), ids=str)
def test_a_page_is_of_the_study_as_it_is(page):
    given, text = settings(Path("conf/studies", f"{page.parent.name}.yaml")), page.read_text()
    assert text.startswith(f"# {given.title}\n\n{given.about}\n\n## ")
    claims = [f": {claim.says} Here " for claim in given.claims]
    assert [said in text for said in claims] == [True] * len(claims)
    assert re.findall(r", (\d+) seeds\)", text) == [str(len(given.seeds))] * len(claims)
    assert re.findall(r"^### (.+?)(?: \(|:)", text, re.MULTILINE) == [*given.measures, *(given.fits or {})]


def test_the_readme_counts_the_verdicts_of_the_pages():
    text = "".join(page.read_text() for page in Path("docs/studies").glob("*/report.md"))
    shown, not_shown, untold = (len(re.findall(f"^{v}: ", text, re.M)) for v in ("Shows", "Doesn't show", "Can't tell"))
    said = (
        f"their {shown + not_shown + untold} claims they show {shown}, don't show {not_shown}, and can't tell {untold} "
    )
    assert said in " ".join(Path("README.md").read_text().split())


def test_every_shipped_study_has_a_page_in_the_table():
    table = Path("docs/studies.md").read_text()
    for path in (path for path in STUDIES if path.stem != "debug"):
        assert Path("docs/studies", path.stem, "report.md").exists()
        assert f"| [{path.stem}](studies/{path.stem}/report.md) |" in table


def test_the_coin_is_fair_and_stays_as_it_fell():
    problem = Problem(id="1+1", task="math", statement="1+1", answer="2")
    falls = [coin(problem, f"text {number}") for number in range(2000)]
    assert falls == [coin(problem, f"text {number}") for number in range(2000)]
    assert set(falls) == {0.0, 1.0}
    assert fmean(falls) == pytest.approx(0.5, abs=0.045)  # four standard deviations


def jobs(path: Path) -> list[Job]:
    """The runs of the last arm, which changes the base most, with one seed; one moment of each step."""
    given = settings(path)
    *_, last = given.arms
    cells = plan(given.steps, {last: given.arms[last]}, given.seeds[:1], Path(given.folder))
    return list({cell.step: job for cell, job in cells.items()}.values())


BUILT = [pytest.param(path, marks=() if path.stem == "pass_at_k" else pytest.mark.slow) for path in STUDIES]


@pytest.mark.parametrize("path", BUILT, ids=str)
def test_every_command_line_builds(path, tmp_path):
    for job in jobs(path):
        verb, *flags = job.arguments
        flags = [flag for flag in flags if not flag.startswith("--ckpt_path")]
        cli = lightning_cli([*flags, f"--trainer.default_root_dir={tmp_path}"], run=False)
        assert cli.config.seed_everything == 0
        assert (type(cli.datamodule).__name__ == "EvaluationData") == (verb == "test")
