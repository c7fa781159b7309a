"""docs/run-folders.md's table is what runs do."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import callbacks  # noqa: F401  the configs name them
import run
from acereason.common.locks import Lock
from docs.loggers import CALLS, CASES, PAGE, outcomes, render, row
from tests.support.killed_runs import ONE_THREAD, arguments
from tests.support.limits import HANG


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.told)
def test_a_row_of_the_table_is_what_runs_do(case):
    if find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    assert row(case.told, *outcomes(case)) in PAGE.read_text().splitlines(), "run python -m docs.loggers"


def test_the_table_has_each_row_once_and_no_other():
    page = PAGE.read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[0] for line in rows] == [f"| {case.told}" for case in CASES]
    assert {line.count(" | ") for line in rows} == {len(CALLS)}
    assert render(page, dict(enumerate(rows))) == page


def start(folder: Path, *more: str) -> subprocess.Popen:
    """A fit that goes on until it is ended."""
    steps = ["--data.stages.short.steps=1000", *more]
    command = [sys.executable, "run.py", *arguments(folder, *steps)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD)


def wait_for(process: subprocess.Popen, folder: Path, step: int) -> None:
    while not any(folder.glob(f"checkpoints/step-{step:06}*")):
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.slow
def test_a_second_writer_is_refused_until_the_first_is_killed(tmp_path, capsys):
    """Whatever the second wants of the folder; verifier processes that outlive the trainer don't keep it."""
    folder = tmp_path / "run"
    with start(folder) as process:
        wait_for(process, folder, 1)
        for more in ([], ["--ckpt_path=auto"], ["--ckpt_path=last"]):
            with pytest.raises(SystemExit) as exit_:
                run.main([word for word in arguments(folder) if word != "--ckpt_path=last"] + more)
            assert exit_.value.code == 2
            told = capsys.readouterr().err.splitlines()[-1]
            assert told.startswith(f"error: trainer.logger.name: process {process.pid} on ")
        process.kill()
        process.wait()
        lock = Lock(folder, "k")
        assert lock.take().pid == process.pid
        lock.release()
    assert {path.name for path in tmp_path.iterdir()} <= {"run", ".run-unfinished"}


@pytest.mark.slow
def test_two_ranks_have_one_folder_and_the_second_call_moves_it(tmp_path):
    two = [
        "--trainer.strategy=ModelParallelStrategy",
        "--trainer.strategy.tensor_parallel_size=1",
        "--trainer.devices=2",
    ]
    two += ["--trainer.strategy.data_parallel_size=2", "--data.stages={short: {}}", "--data.stages.short.steps=2"]
    command = [sys.executable, "run.py", "fit", "--config=conf/debug.yaml", *two]
    command += [f"--trainer.logger.save_dir={tmp_path}", "--trainer.logger.name=run"]
    for more in [], ["--ckpt_path=last", "--data.stages.short.steps=3"], []:
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run~1/checkpoints").glob("step-000003*"))) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run~1"]
