import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acereason.processes.slurm import requeue
from tests.support.limits import HANG

FIT = ["python", "run.py", "fit", "--config", "a.yaml", "--ckpt_path", "auto"]


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A stand-in for SLURM's command that records its calls, within job 4242."""

    def install(status: int = 0):
        program = tmp_path / "scontrol"
        program.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/calls\necho 'Invalid job' >&2\nexit {status}\n")
        program.chmod(0o755)
        return lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []

    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_PROCID", "RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "4242")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return install


def test_slurms_warning_queues_the_job_again(scontrol, capfd):
    calls = scontrol()
    requeue(signal.SIGUSR1, FIT)
    requeue(signal.SIGUSR1, ["python", "run.py", "predict", "--output=x"])
    assert calls() == ["requeue 4242", "requeue 4242"]
    assert "job 4242 is queued again" in capfd.readouterr().err


def test_a_task_of_an_array_has_two_numbers(scontrol, monkeypatch):
    calls = scontrol()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4000")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    requeue(signal.SIGUSR1, FIT)
    assert calls() == ["requeue 4000_7"]


@pytest.mark.parametrize(
    ("number", "command", "environment"),
    [
        (signal.SIGTERM, FIT, {}),  # scancel, or a preemption, after which SLURM itself queues the job again
        (signal.SIGINT, FIT, {}),
        (signal.SIGUSR1, FIT, {"SLURM_PROCID": "3"}),  # rank 0 does it
        (signal.SIGUSR1, FIT[:-2], {}),  # it would start anew
    ],
)
def test_nothing_else_does(scontrol, monkeypatch, number, command, environment):
    calls = scontrol()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    requeue(number, command)
    assert calls() == []


def test_outside_of_slurm_there_is_no_job(scontrol, monkeypatch):
    calls = scontrol()
    monkeypatch.delenv("SLURM_JOB_ID")
    requeue(signal.SIGUSR1, FIT)
    assert calls() == []


def test_what_goes_wrong_is_told(scontrol, monkeypatch, capfd, tmp_path):
    scontrol(status=1)
    requeue(signal.SIGUSR1, FIT)
    assert capfd.readouterr().err == "job 4242 could not be queued again: Invalid job\n"
    (tmp_path / "scontrol").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    requeue(signal.SIGUSR1, FIT)
    assert "job 4242 could not be queued again: [Errno 2]" in capfd.readouterr().err
    requeue(signal.SIGUSR1, FIT[:-2])
    assert capfd.readouterr().err.endswith("it would start anew; give its command --ckpt_path auto\n")


@pytest.mark.slow
def test_a_recipe_queues_its_job_again_and_its_step_does_not(scontrol, tmp_path):
    calls, log = scontrol(), tmp_path / "run/fit.log"
    settings = f"[--trainer.logger.save_dir={tmp_path}, --trainer.max_steps=1000, --trainer.max_epochs=1000]"
    step = f"{{name: fit, verb: fit, config: conf/debug.yaml, overrides: {settings}}}"
    Path(tmp_path, "recipe.yaml").write_text(f"folder: {tmp_path}/run\nsteps:\n  - {step}\n")
    command = [sys.executable, "run.py", "recipe", "--config", f"{tmp_path}/recipe.yaml"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + HANG
    while not (log.exists() and "step 1" in log.read_text()):
        assert running.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGUSR1)
    _, said = running.communicate(timeout=HANG)
    assert running.returncode == 128 + signal.SIGUSR1, said
    assert calls() == ["requeue 4242"]
    assert "queued again" not in log.read_text()
