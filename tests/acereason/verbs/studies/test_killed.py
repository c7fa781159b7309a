"""Studies of a stand-in for run.py, killed wherever they rename a file, and while a run is under way."""

import multiprocessing
import os
import signal
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest

from acereason.verbs.studies.measures import Measure
from acereason.verbs.studies.plan import StudyStep
from acereason.verbs.studies.verb import study
from tests.support.made_study import config, program  # noqa: F401

FORK = multiprocessing.get_context("fork")


def made(folder: Path, *flags: str) -> None:
    file = config(folder)
    steps = [StudyStep("rl", "fit", file, [*flags]), StudyStep("test", "test", file, ["--model.pretrained={rl}"])]
    arms = {"small": {"rl": ["--size=1"]}, "large": {"rl": ["--size=4"]}}
    study("Does size help?", str(folder / "out"), steps, arms, [0, 1], {"accuracy": Measure("test", "avg", "sums")})


def killed_at(pattern: str, folder: Path) -> bool:
    """Run until a file that matches is about to be renamed; whether it was."""

    def die(event: str, arguments: tuple) -> None:
        if event == "os.rename" and fnmatch(Path(os.fsdecode(arguments[0])).name, pattern):
            os.kill(os.getpid(), signal.SIGKILL)

    def start() -> None:
        sys.addaudithook(die)
        made(folder)

    process = FORK.Process(target=start)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def result(folder: Path) -> dict[str, bytes]:
    paths = [folder / "out/results.json", *sorted((folder / "out/report").iterdir())]
    # why: a kill leaves half a file beside, by a name that begins with a dot
    return {path.name: path.read_bytes() for path in paths if not path.name.startswith(".")}


def test_killed_at_its_renames_it_ends_with_the_same_page(tmp_path, program):  # noqa: F811
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    made(tmp_path / "whole")
    calls = len(program())
    for pattern in (".done.json.*", ".results.json.*", ".figures.png.*", ".report.md.*", ".report.html.*"):
        assert killed_at(pattern, tmp_path / "killed"), pattern
    made(tmp_path / "killed")
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
    assert {"report.html", "report.md", "figures.png"} < result(tmp_path / "whole").keys()
    # the one run that had ended, and had not been noted, is looked at once more
    assert len(program()) == 2 * calls + 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_a_study_is_that_of_its_run(tmp_path, program, number):  # noqa: F811
    process = FORK.Process(target=made, args=(tmp_path, "--seconds=600"))
    process.start()
    while not program():
        time.sleep(0.01)
    (job,) = (tmp_path / "out/jobs").iterdir()
    os.kill(process.pid, number)
    process.join()
    assert not (job / "done.json").exists()
    while running(job.name):
        time.sleep(0.01)
    assert len(program()) == 1


def running(name: str) -> bool:
    """Whether a process has the name in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if name.encode() in path.read_bytes():
                return True
        except OSError:  # it has ended meanwhile
            continue
    return False
