"""Real signals at random moments: a status that is not 0, a line that tells how to go on, and the run left alone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG
from tests.support.signalled_runs import SHARES, Signalling, two_ranks
from tests.test_launchers import SLURM, TORCHRUN


@pytest.fixture
def signalling(tmp_path):
    made = Signalling(tmp_path, seed=0)
    yield made
    made.close()


@pytest.mark.slow
def test_five_signals(signalling):
    for name, number in {"fit": 2, "curate": 2, "predict": 1}.items():
        signalling.interrupt(name, number)
    assert sum(signalling.hit.values()) == 5


@pytest.mark.nightly
@pytest.mark.parametrize("name", SHARES)
def test_a_hundred_signals(signalling, name):
    signalling.interrupt(name, SHARES[name])
    assert sum(signalling.hit.values()) == SHARES[name]


@pytest.mark.slow
def test_while_it_is_imported(tmp_path):
    """Lightning takes seconds to load, on any machine more than the signal waits for."""
    command = [sys.executable, "run.py", "fit", "--config=conf/debug.yaml", f"--trainer.logger.save_dir={tmp_path}/out"]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ONE_THREAD) as process:
            time.sleep(1.5)
            process.send_signal(number)
            _, error = process.communicate(timeout=HANG)
        assert process.returncode == 128 + number, error
        assert error.startswith(f"interrupted by {number.name}")
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def two_ranks_signalled(
    tmp_path, number: str, launch: list[list[str]], environments: list[dict[str, str]]
) -> list[tuple]:
    """(status, what it said) of each command, whose rank 1 gets a signal in its second rollout."""
    plan = {"phase": "rollout", "count": 2, "delay": 0.0, "signal": number, "rank": 1, "target": "self"}
    environment = ONE_THREAD | {"SIGNALLED": json.dumps(plan | {"trace": str(tmp_path / "trace")})}
    arguments = ["tests/scripts/signalled.py", *two_ranks(tmp_path / "run"), "--ckpt_path=auto"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [
        subprocess.Popen([*command, *arguments], env=environment | own, **pipes)
        for command, own in zip(launch, environments, strict=True)
    ]
    said = [process.communicate(timeout=HANG)[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


@pytest.mark.nightly
def test_slurms_warning_to_one_rank_saves_and_queues_the_job_again(tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/calls\n")
    scontrol.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ranks = [SLURM | path | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1")]
    (status, said), (other, other_said) = two_ranks_signalled(tmp_path, "SIGUSR1", [[sys.executable]] * 2, ranks)
    assert status == other == 128 + signal.SIGUSR1, f"{said}\nrank 1: {other_said}"
    assert "interrupted by SIGUSR1: step 1 is saved in " in said
    assert said.endswith("job 4242 is queued again\n")
    assert (tmp_path / "calls").read_text() == "requeue 4242\n"  # once, by rank 0
    assert (tmp_path / "run/checkpoints/step-000001.ckpt").is_dir()


@pytest.mark.nightly
def test_torchruns_ranks_end_together(tmp_path):
    torchrun = [*TORCHRUN, "--standalone", "--nproc-per-node=2"]
    ((status, said),) = two_ranks_signalled(tmp_path, "SIGTERM", [torchrun], [{}])
    assert status == 1  # torchrun's own, of ranks that have not ended with 0
    assert "exitcode  : 143" in said
    assert said.count("interrupted by SIGTERM: step 1 is saved in ") == 1


@pytest.mark.slow
def test_a_verb_that_was_told_to_end_leaves_no_mark_and_no_output(tmp_path):
    """`score` waits for a verifier while the signal comes."""
    rows = [{"id": str(i), "task": "code", "response": "```python\nwhile True: pass\n```"} for i in range(8)]
    tests = {"type": "stdin", "inputs": [""], "outputs": ["1"]}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row | {"tests": tests}) + "\n" for row in rows))
    paths = [f"--input={tmp_path}/rows.jsonl", f"--output={tmp_path}/verdicts.jsonl"]
    command = [sys.executable, "run.py", "score", *paths, "--rewards.code.seconds=30", "--rewards.workers=1"]
    environment = ONE_THREAD | {"ACEREASON_MARK": str(tmp_path / "mark")}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        while process.poll() is None and not any(tmp_path.glob(".verdicts.jsonl.*")):
            time.sleep(0.05)
        process.terminate()
        _, error = process.communicate(timeout=HANG)
    assert process.returncode == 143, error
    assert "interrupted by SIGTERM: nothing was written; to go on: " in error
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
