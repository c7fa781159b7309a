"""Verbs of run.py on the device, each in a process of its own: a verb leaves CUDA and a process group behind."""

import importlib
import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from acereason.runs.files import RunFiles
from benchmarks.gpu.settings import Settings


def context_of(device: str) -> Any:
    """How processes are started: CUDA does not survive a fork; on a CPU what they import is imported once."""
    if device == "cuda":
        return multiprocessing.get_context("spawn")
    importlib.import_module("acereason.verbs.lightning_cli")
    return multiprocessing.get_context("fork")


def on_device(settings: Settings, config: str) -> list[str]:
    """Flags for a config of the project's on this device, under FSDP2 as on many."""
    cpu = ["--trainer.accelerator=cpu"] if settings.device == "cpu" else []
    return [f"--config={config}", "--config=conf/hardware/1gpu.yaml", *cpu]


def into(folder: Path) -> list[str]:
    """Flags for a run's folder."""
    return [f"--trainer.logger.save_dir={folder.parent}", f"--trainer.logger.name={folder.name}"]


def start(settings: Settings, *arguments: str) -> BaseProcess:
    """Start it."""
    process: BaseProcess = context_of(settings.device).Process(target=_run, args=(list(arguments),), name=arguments[0])
    process.start()
    return process


def finish(process: BaseProcess) -> None:
    """Wait for its end.

    Raises:
        RuntimeError: it failed.
    """
    process.join()
    if process.exitcode:
        raise RuntimeError(f"run.py {process.name} ended with {process.exitcode}")


def kill_once(process: BaseProcess, ready: Callable[[], bool]) -> bool:
    """SIGKILL as soon as it is time; whether it was still running then."""
    while process.is_alive() and not ready():
        time.sleep(0.005)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run, of the rows that are whole; none before it has begun."""
    return RunFiles(folder).metrics.read()


def _run(arguments: list[str]) -> None:
    import run  # here, not above: a process that is spawned imports this file first

    run.main(arguments)
