"""Requeueing of a SLURM job that has reached its time limit."""

import os
import signal
import subprocess
from itertools import pairwise

from acereason.processes.listener import tell


def requeue(number: int, command: list[str]) -> None:
    """Queue this job again if SLURM has warned it of its end (`sbatch --signal=USR1@90`) and it would resume.

    It never raises: the run has saved its state, and a failure to requeue is printed in one line.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if number != signal.SIGUSR1 or job is None or os.environ.get("SLURM_PROCID", "0") != "0":
        return
    if "fit" in command and not _resumes(command):
        tell(f"job {job} is not queued again: it would start anew; give its command --ckpt_path auto")
        return
    # why: one task of an array has the array's own number as its job id, by which all tasks would be requeued
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=30)
        trouble = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = str(error)
    tell(f"job {job} could not be queued again: {trouble}" if trouble else f"job {job} is queued again")


def _resumes(command: list[str]) -> bool:
    words = " ".join(command).replace("=", " ").split()
    return any(first == "--ckpt_path" and second in ("auto", "last") for first, second in pairwise(words))
