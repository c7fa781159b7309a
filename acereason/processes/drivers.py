"""NVIDIA's driver on this machine, and whether torch can use it."""

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

PROC = Path("/proc/driver/nvidia/version")
"""File with the version of the kernel's driver; in a container, its host's."""

LEAST = {11: 450, 12: 525, 13: 580}
"""The oldest driver that serves each major version of CUDA, by NVIDIA's tables of compatibility."""


@dataclass(frozen=True)
class Driver:
    """The kernel's module and the library of NVIDIA's driver, as far as they are there."""

    version: str | None
    """Version of the kernel's module, such as 535.129.03; None without one."""
    cuda: int | None
    """The CUDA version of its library, 12020 for 12.2; None if the library is not found."""


def driver(proc: Path = PROC, library: str = "libcuda.so.1") -> Driver:
    """Return this machine's driver. A compatibility library in LD_LIBRARY_PATH counts, as it does for torch."""
    found = re.search(r"Kernel Module.*?\s(\d+(\.\d+)+)\s", proc.read_text()) if proc.is_file() else None
    return Driver(found[1] if found else None, _spoken_by(library))


def _spoken_by(library: str) -> int | None:
    try:
        function = ctypes.CDLL(library).cuDriverGetVersion
    except (OSError, AttributeError):
        return None
    version = ctypes.c_int()
    return version.value if function(ctypes.byref(version)) == 0 else None


def too_old(found: Driver, needed: str | None = torch.version.cuda) -> str | None:
    """Return why a torch that is built for CUDA `needed` (None: for CPUs) can't use the driver; None if it can, or if
    there is no driver."""
    # why: `torch.cuda.is_available` does not tell: Lightning has it ask NVML, which counts the GPUs of any driver
    if found.cuda is None or needed is None or found.cuda // 1000 >= int(needed.split(".")[0]):
        return None
    speaks = f"{found.cuda // 1000}.{found.cuda % 1000 // 10}"
    return (
        f"the NVIDIA driver{' ' + found.version if found.version else ''} speaks CUDA {speaks}, and torch "
        f"{torch.__version__} is built for {needed}, which needs driver {LEAST.get(int(needed.split('.')[0]), 580)} or "
        "newer; update it, or put NVIDIA's compatibility libraries into LD_LIBRARY_PATH"
    )


def no_gpu(found: Driver, needed: str | None = torch.version.cuda) -> str:
    """Return in a few words why torch finds no GPU."""
    if found.version is None and found.cuda is None:
        return "torch finds no GPU on this machine"
    if needed is None:
        return f"torch {torch.__version__} is built for CPUs; install the one for GPUs, as the README says"
    if found.cuda is None:
        return "torch finds no libcuda.so.1; start the container with its GPUs (docker run --gpus all)"
    return "torch finds no GPU, though there is a driver; look at CUDA_VISIBLE_DEVICES, and at nvidia-smi"


def hidden() -> bool:
    """Return whether CUDA_VISIBLE_DEVICES hides all GPUs from this process."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
