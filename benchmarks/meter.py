"""What a call costs on a device: seconds, and memory at the peak beyond what was held."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.race import peak_after_reset, peak_bytes


@dataclass
class Cost:
    """Of one call."""

    seconds: float
    bytes: int
    result: Any


def cost(call: Callable[[], Any], device: str) -> Cost:
    """Of a call that computes on a device: torch's own memory there; on a CPU the process's."""
    settle(device)
    before = _start_peak(device)
    started = time.perf_counter()
    result = call()
    settle(device)
    return Cost(time.perf_counter() - started, peak(device) - before, result)


def settle(device: str) -> None:
    """Wait until the device has done all that it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()


def peak(device: str) -> int:
    """Bytes at the peak: what torch has allocated on a GPU, what a process on a CPU holds."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else peak_bytes()


def _start_peak(device: str) -> int:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    ctypes.CDLL(None).malloc_trim(0)  # memory that is free but kept would hide the peak
    return peak_after_reset()
