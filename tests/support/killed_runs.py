"""Runs of conf/debug.yaml in processes of their own, killed on the way."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.limits import HANG

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # a model this small is no faster with more


def arguments(folder: Path, *more: str) -> list[str]:
    """The debug run, into `folder`; resumed if there is something to resume."""
    logger = [f"--trainer.logger.save_dir={folder.parent}", f"--trainer.logger.name={folder.name}"]
    resume = ["--ckpt_path=last"] if folder.exists() else []
    return ["fit", "--config=conf/debug.yaml", *logger, *resume, *more]


def finish(folder: Path, *more: str) -> str:
    """Run to the end; returns what it printed."""
    command = [sys.executable, "run.py", *arguments(folder, *more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def killed_at(path: str, folder: Path, *more: str) -> bool:
    """Run until a path in the folder (a pattern) is about to be renamed, half written; whether it was."""
    command = [sys.executable, "tests/scripts/kill_at_rename.py", f"{folder}/{path}", *arguments(folder, *more)]
    return subprocess.run(command, capture_output=True, timeout=HANG, env=ONE_THREAD).returncode == -signal.SIGKILL


def killed_after(step: int, generator: random.Random, folder: Path, *more: str) -> bool:
    """Run until a random moment in the second after a step's checkpoint; whether it was still running then."""
    command = [sys.executable, "run.py", *arguments(folder, *more)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD) as process:
        while process.poll() is None:
            if any(folder.glob(f"checkpoints/step-{step:06}*")):
                time.sleep(generator.uniform(0, 0.5))
                process.send_signal(signal.SIGKILL)
                return process.wait() == -signal.SIGKILL
            time.sleep(0.001)
    return False
