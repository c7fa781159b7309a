"""Studies of run.py itself: killed on the way, they end with the page of one that wasn't."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.killed_runs import ONE_THREAD

COMMAND = [sys.executable, "run.py", "study", "--config=conf/studies/debug.yaml"]
SMALL = ["--seeds=[0]", "--arms={groups of 2: {rl: [--model.group_size=2]}}", "--claims=[]"]
MOMENTS = [  # what is there when the signal is sent
    "jobs/rl-*/log",  # the first run starts
    "runs/rl-*/checkpoints/step-000002*",
    "runs/rl-*/exports/short",
    "jobs/rl-*/done.json",
    "runs/test-*/samples",
    "jobs/test-*/done.json",
    "jobs/*/done.json 3",
    "jobs/*/done.json 5",
    "jobs/*/done.json 7",
    "results.json",
]


def finish(folder: Path, *more: str) -> dict[str, bytes]:
    """Run to the end; returns what it leaves to read."""
    done = subprocess.run([*COMMAND, f"--folder={folder}", *more], capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 0, done.stdout + done.stderr
    paths = [folder / "results.json", *sorted((folder / "report").iterdir())]
    # why: a kill leaves half a file beside, by a name that begins with a dot
    return {path.name: path.read_bytes() for path in paths if not path.name.startswith(".")}


def killed(folder: Path, moment: str, number: int, *more: str) -> bool:
    """Run until as many files as the moment says match; whether it was still running then."""
    pattern, _, count = moment.partition(" ")
    with subprocess.Popen(
        [*COMMAND, f"--folder={folder}", *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD
    ) as process:
        while process.poll() is None:
            if len(list(folder.glob(pattern))) >= int(count or 1):
                process.send_signal(number)
                return process.wait() in (-number, 128 + number)
            time.sleep(0.001)
    return False


@pytest.mark.nightly
def test_a_killed_study_ends_with_the_same_page(tmp_path):
    whole = finish(tmp_path / "whole", *SMALL)
    assert killed(tmp_path / "killed", MOMENTS[1], signal.SIGKILL, *SMALL)
    assert finish(tmp_path / "killed", *SMALL) == whole


@pytest.mark.nightly
def test_killed_ten_times_by_either_signal(tmp_path):
    whole = finish(tmp_path / "whole")
    for count, moment in enumerate(MOMENTS):
        assert killed(tmp_path / "killed", moment, (signal.SIGKILL, signal.SIGTERM)[count % 2]), moment
    assert finish(tmp_path / "killed") == whole


@pytest.mark.nightly
def test_two_processes_on_one_folder_do_each_run_once(tmp_path):
    command = [*COMMAND, f"--folder={tmp_path}/shared"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    begun = [line.split()[1] for text in said for line in text.splitlines() if line.startswith("== ")]
    assert len(begun) == len(set(begun)) == 8
    assert all(any(line.startswith("== ") for line in text.splitlines()) for text in said)
