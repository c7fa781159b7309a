"""A part in a process of its own, with a limit of time: what it has told stays, however it ends."""

import ctypes
import getpass
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from benchmarks.gpu.settings import PATIENCE, NotHereError, Settings
from benchmarks.report import Row

Status = Literal["done", "failed", "not here", "skipped"]
_TAIL = 4000
"""Characters of a failed part's output that are kept."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Part:
    """Something to be shown."""

    name: str
    function: str
    """`module:name`, called in the process as function(settings, tell)."""
    seconds: float
    """After which it counts as hung, on a GPU."""
    least: float
    """Seconds below which it is not worth a start."""
    missing: Callable[[Settings], str] = lambda _: ""
    """Why it can't be done here, asked before a process is started; empty: it can."""


@dataclass
class Outcome:
    """What became of a part."""

    name: str
    status: Status
    reason: str = ""
    """Of a status other than done."""
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    output: str = ""
    """The end of what a failed part printed."""

    def figures(self) -> dict[str, float | str]:
        """{figure: value}."""
        return {row.name: row.value for row in self.rows}


def run_part(part: Part, settings: Settings, left: float, context: BaseContext) -> Outcome:
    """The part's outcome; `left` are the seconds that the whole command still has."""
    if reason := part.missing(settings):
        return Outcome(part.name, "not here", reason)
    if left < part.least:
        return Outcome(part.name, "skipped", f"{max(left, 0):.0f} s were left, it takes {part.least:.0f} s at least")
    started, limit = time.monotonic(), min(part.seconds * PATIENCE[settings.device], left)
    with tempfile.TemporaryDirectory(prefix="gpu-", ignore_cleanup_errors=True) as folder:
        process = context.Process(target=_live, args=(part.function, settings, folder, os.getpid()))
        process.start()
        try:
            process.join(limit)
            hung = process.is_alive()
        finally:
            _end(process)
        outcome = _outcome(part.name, Path(folder), process, f"took more than {limit:.0f} s" if hung else "")
    outcome.seconds = time.monotonic() - started
    return outcome


def _outcome(name: str, folder: Path, process: BaseProcess, hung: str) -> Outcome:
    told = [json.loads(line) for line in _whole_lines(folder / "told.jsonl")]
    rows = [Row(**line) for line in told if "name" in line]
    (ending,) = [line for line in told if "ending" in line] or [{"ending": "failed", "reason": _died(process)}]
    status, reason = ("failed", hung) if hung else (ending["ending"], ending["reason"])
    if missed := [row for row in rows if row.met is False]:
        what = "; ".join(f"{row.name} is {row.value:.3g}, asked is {row.requirement}" for row in missed)
        status, reason = "failed", f"{reason}; {what}" if reason else what
    output = (folder / "output").read_text(errors="replace")[-_TAIL:] if status == "failed" else ""
    return Outcome(name, status, reason, rows=rows, output=output)


def _died(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"its process was killed by {signal.Signals(-code).name}" if code < 0 else f"its process ended with {code}"


def _whole_lines(path: Path) -> list[str]:
    """Without one that was being written when the process was killed."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _end(process: BaseProcess) -> None:
    """The process and all that it has started, which are in one process group."""
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # where it was stopped before it had a group of its own
    process.join()


def _live(function: str, settings: Settings, folder: str, parent: int) -> None:
    """The process's life."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the call
    _redirect(Path(folder, "output"))
    compiled = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")  # as torch names it
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))  # what one part compiles serves the next
    os.environ["TMPDIR"], tempfile.tempdir = folder, None  # nothing else stays of a part that is killed
    with Path(folder, "told.jsonl").open("a") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        write(_ending(function, settings, lambda row: write(asdict(row)), Path(folder, "output")))


def _ending(function: str, settings: Settings, tell: Callable[[Row], None], output: Path) -> dict[str, str]:
    module, name = function.split(":")
    try:
        getattr(importlib.import_module(module), name)(settings, tell)
    except NotHereError as error:
        return {"ending": "not here", "reason": str(error)}
    except BaseException as error:
        traceback.print_exc()
        first = next(iter(str(error).strip().splitlines()), traceback.extract_tb(error.__traceback__)[-1].line)
        lines = output.read_text(errors="replace").splitlines()
        said = [line for line in lines if line.startswith("error: ")][-1:]  # by a verb of run.py
        return {"ending": "failed", "reason": ": ".join([f"{type(error).__name__}: {first}", *said])}
    return {"ending": "done", "reason": ""}


def _redirect(path: Path) -> None:
    """All that the process prints goes into a file."""
    stream = path.open("a", buffering=1)
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    sys.stdout = sys.stderr = stream  # a process that is forked has what its parent made of them
