"""Verifiers that fail, in a module that worker processes load in no time."""

import os
import signal
import subprocess
import sys
import time

from acereason.common.types import Verdict


def sleeps(*args: object) -> Verdict:
    time.sleep(60)
    return Verdict("correct")


def dies(*args: object) -> Verdict:
    os.kill(os.getpid(), signal.SIGKILL)
    return Verdict("correct")


def raises(*args: object) -> Verdict:
    raise RecursionError("too deep")


def allocates(*args: object) -> Verdict:
    return Verdict("correct" if bytearray(3 << 30) else "wrong")


def grows() -> int:
    return len(bytearray(700 << 20))


def spawns(folder: str) -> None:
    command = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    subprocess.Popen([sys.executable, "-c", command, f"{folder}/pid"]).wait()
