"""NVIDIA's driver, read from files of the form that it has and a library of ours with its function."""

import shutil
import subprocess

import pytest
import torch

from acereason.common.errors import UserError
from acereason.processes.drivers import Driver, driver, hidden, no_gpu, too_old
from acereason.verbs import unsupported

OPEN = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22)
GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04.2)
"""
CLOSED = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023
GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)
"""
OLD, NEW = Driver("535.129.03", 12020), Driver("580.95.05", 13000)


@pytest.mark.parametrize(("text", "version"), [(OPEN, "580.95.05"), (CLOSED, "535.129.03"), ("", None), ("?", None)])
def test_the_kernels_file(tmp_path, text, version):
    (tmp_path / "version").write_text(text)
    assert driver(tmp_path / "version", "libnone.so.1") == Driver(version, None)


def test_a_machine_without_a_gpu(tmp_path):
    assert driver(tmp_path / "version", "libnone.so.1") == Driver(None, None)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(("body", "cuda"), [("*v = 12020; return 0;", 12020), ("*v = 0; return 999;", None)])
def test_the_library_is_asked(tmp_path, body, cuda):
    (tmp_path / "cuda.c").write_text(f"int cuDriverGetVersion(int *v) {{ {body} }}")
    command = ["cc", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", tmp_path / "cuda.c"]
    subprocess.run(command, check=True)
    assert driver(tmp_path / "version", str(tmp_path / "libcuda.so.1")) == Driver(None, cuda)


def test_a_library_without_the_function(tmp_path):
    assert driver(tmp_path / "version", "libc.so.6").cuda is None


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (NEW, "13.0"),
        (Driver("570.86.15", 12080), "12.9"),  # any CUDA 12 on any driver that speaks 12
        (Driver("535.129.03", 13000), "13.0"),  # a compatibility library beside an old driver
        (OLD, None),  # torch for CPUs
        (Driver("535.129.03", None), "13.0"),  # a container without the library
        (Driver(None, None), "13.0"),
    ],
)
def test_a_driver_that_serves_or_is_none(found, needed):
    assert too_old(found, needed) is None


def test_a_driver_that_is_too_old_says_what_is_needed():
    line = too_old(OLD, "13.0")
    assert line.startswith("the NVIDIA driver 535.129.03 speaks CUDA 12.2, and torch ")
    assert "is built for 13.0, which needs driver 580 or newer; update it" in line
    assert "needs driver 525 or newer" in too_old(Driver(None, 11040), "12.6")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("found", "needed", "told"),
    [
        (Driver(None, None), "13.0", "torch finds no GPU on this machine"),
        (NEW, None, "is built for CPUs; install the one for GPUs"),
        (Driver("580.95.05", None), "13.0", "no libcuda.so.1; start the container with its GPUs"),
        (NEW, "13.0", "though there is a driver; look at CUDA_VISIBLE_DEVICES"),
    ],
)
def test_why_there_is_no_gpu(found, needed, told):
    assert told in no_gpu(found, needed)


@pytest.fixture
def old(monkeypatch):
    """A machine whose driver is too old for its torch, which is built for GPUs."""
    monkeypatch.setattr(unsupported, "driver", lambda: OLD)
    monkeypatch.setattr(unsupported, "too_old", lambda found: too_old(found, "13.0"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "auto"])
def test_a_run_on_an_old_driver_ends_at_its_start(old, accelerator):
    with pytest.raises(UserError, match=rf"^trainer\.accelerator: {accelerator}, but the NVIDIA driver 535\.129\.03 "):
        unsupported._check_devices(accelerator, 1, here=True)


def test_whoever_wants_a_cpu_needs_no_driver(old, monkeypatch):
    unsupported._check_devices("cpu", 1, here=True)
    unsupported._check_devices("gpu", 1, here=False)  # preflight asks for another machine
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hidden()
    unsupported._check_devices("auto", 1, here=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(UserError, match=r"^trainer\.accelerator: gpu, but torch .*; or set cpu"):
        unsupported._check_devices("gpu", 1, here=True)
