"""Parts of benchmarks/gpu that end in every way there is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.settings import NotHereError
from benchmarks.report import Row


def good(settings, tell):
    tell(Row("speed", 2.5, "a second", at_least=2))
    tell(Row("fact", "in words"))


def crashing(settings, tell):
    tell(Row("before", 1.0))
    os.kill(os.getpid(), signal.SIGKILL)


def hanging(settings, tell):
    """Its child would outlive it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    Path(settings.model, "child").write_text(str(child.pid))
    tell(Row("before", 1.0))
    time.sleep(3600)


def failing(settings, tell):
    tell(Row("before", 1.0))
    print("last words")
    raise RuntimeError("no memory left\nof the device")


def refusing(settings, tell):
    print("error: model.engine: nothing of that name", file=sys.stderr)
    sys.exit(2)


def missing(settings, tell):
    tell(Row("first distance", 0.5, "relative", at_most=0.03))
    tell(Row("second distance", float("nan"), "relative", at_most=0.03))
    tell(Row("third distance", 0.01, "relative", at_most=0.03))


def absent(settings, tell):
    raise NotHereError("a CPU can't sleep")


def reading(settings, tell):
    """What the command has written so far, and what the parts before found."""
    tell(Row("written", Path(settings.model, "found.json").read_text().count('"status": "done"')))
    tell(Row("speed before", settings.earlier["good"]["speed"]))
