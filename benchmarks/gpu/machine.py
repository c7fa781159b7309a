"""Facts of the machine, as an engineer would ask for them in the first minutes."""

import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import torch

from benchmarks.gpu.settings import Settings, Tell
from benchmarks.report import Row, versions

_GIB = 2**30


def facts(settings: Settings, tell: Tell) -> None:
    """Each as a row."""
    for name, value in [*_software(), *_machine(), *_gpu(settings.device)]:
        tell(Row(name, value))


def _software() -> list[tuple[str, str]]:
    """What kernels and compilation depend on."""
    nccl = torch.cuda.nccl.version() if torch.distributed.is_nccl_available() else None
    return [
        *versions().items(),
        ("torch's CUDA", torch.version.cuda or "none: a CPU build"),
        ("cuDNN", str(torch.backends.cudnn.version() or "none")),
        ("NCCL", ".".join(map(str, nccl)) if nccl else "none"),
        *((name, "installed" if importlib.util.find_spec(name) else "none") for name in ("triton", "flash_attn")),
        ("gcc", _said("gcc", "--version")),
        ("nvcc", _said("nvcc", "--version", line=-1)),
        ("Python.h", "there" if Path(sysconfig.get_path("include"), "Python.h").exists() else "none: Triton needs it"),
    ]


def _machine() -> list[tuple[str, str]]:
    """Cores and room."""
    shared, temporary = shutil.disk_usage("/dev/shm"), shutil.disk_usage(tempfile.gettempdir())
    free = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return [
        ("cores", str(len(os.sched_getaffinity(0)))),
        ("memory available", f"{int(free.split()[1]) / 2**20:.1f} GiB"),
        ("/dev/shm", f"{shared.total / _GIB:.2f} GiB, {shared.free / _GIB:.2f} free"),
        ("temporary folder", f"{temporary.free / _GIB:.0f} GiB free"),
    ]


def _gpu(device: str) -> list[tuple[str, str]]:
    if device == "cpu":
        return [("GPU", "not here: --device cpu")]
    properties = torch.cuda.get_device_properties(0)
    product = torch.ones(64, 64, device=device, dtype=torch.bfloat16).mm(torch.ones(64, 64, device=device).bfloat16())
    assert product.sum().item() == 64**3
    free, total = torch.cuda.mem_get_info()
    return [
        ("GPU", f"{properties.name}, {torch.cuda.device_count()} of them seen"),
        ("compute capability", f"{properties.major}.{properties.minor}"),
        ("multiprocessors", str(properties.multi_processor_count)),
        ("GPU memory", f"{total / _GIB:.1f} GiB, {free / _GIB:.1f} free"),
        (
            "driver",
            _said("nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"),
        ),
    ]


def _said(*command: str, line: int = 0) -> str:
    """A line of what a program prints; `none` where it is not there."""
    if shutil.which(command[0]) is None:
        return "none"
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[line].strip() if lines else f"nothing, and ended with {done.returncode}"
