"""Memory that the trainer and its engine's process both see, through which weights go.

Between GPUs it lies on the engine's: the trainer copies from device to device, and the engine opens it by a handle of
CUDA's, as vLLM's own `ipc` transfer does. Elsewhere, and where CUDA refuses, it is the machine's shared memory. There
are two buffers, one of which is filled while the engine takes in the other; a weight larger than one goes in parts.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.multiprocessing.reductions import rebuild_cuda_tensor, reduce_tensor

from acereason.errors import UserError, first_line

COUNT = 2
SHARED = torch.device("cpu")
"""Where buffers lie in the machine's shared memory."""
_FOLDER = Path("/dev/shm")
"""The machine's shared memory, as a file system of limited size."""
_LEAST = 2**20
_ALIGNMENT = 64
_DEVICE_ARGUMENT = 6
"""Which of what `rebuild_cuda_tensor` takes is the number of the device."""

Handle = tuple[Callable[..., Tensor], tuple[Any, ...]]
"""How the other process comes by the same memory."""


@dataclass(frozen=True)
class Part:
    """Bytes of a weight, and where they lie in a buffer."""

    name: str
    dtype: torch.dtype
    shape: torch.Size
    first: int
    """Byte of the weight that it begins with."""
    start: int
    """Byte of the buffer that it begins at."""
    size: int


def buffer_bytes(wanted: int, ranks: int, device: torch.device) -> int:
    """Of each buffer on a device: what is wanted, or as much as the shared memory has room for.

    Args:
        ranks: processes of this machine that share it.

    Raises:
        UserError: it has next to none.
    """
    if device != SHARED:
        return wanted
    free = shutil.disk_usage(_FOLDER).free if _FOLDER.exists() else 0
    share = free // 2 // (COUNT * ranks) // _ALIGNMENT * _ALIGNMENT  # half is for others: NCCL, data loaders
    if share < min(wanted, _LEAST):
        raise UserError(
            f"model.engine.placement: weights go to a separate engine through {_FOLDER}, which has {free / 2**20:.1f} "
            f"MiB free for {ranks} ranks; give it more: docker run --shm-size=4g, mount -o remount,size=4g {_FOLDER}"
        )
    return min(wanted, share)


def connected(size: int, device: torch.device, ranks: int, ask: Callable[[list[Handle]], str]) -> list[Tensor]:
    """Buffers that the engine has opened: on its device, or else, with a warning, in shared memory.

    Args:
        size: of each.
        device: the engine's, by this process's number.
        ranks: processes of this machine that do the same.
        ask: lets the engine open them: why it can't, or nothing.
    """
    buffers, refused = _tried(size, device, ask)
    if refused and device != SHARED:
        rank_zero_warn(f"weights can't go to the engine from device to device ({refused}); they go by shared memory")
        return connected(buffer_bytes(size, ranks, SHARED), SHARED, ranks, ask)
    if refused:
        raise RuntimeError(f"the engine can't see the trainer's memory: {refused}")
    where = "in shared memory" if device == SHARED else "on its device (CUDA IPC)"
    rank_zero_info(f"weights go to the engine through two buffers of {size / 2**20:.0f} MiB {where}")
    return buffers


def _tried(size: int, device: torch.device, ask: Callable[[list[Handle]], str]) -> tuple[list[Tensor], str]:
    try:
        buffers = allocate(size, device)
        handles = [handle_of(buffer) for buffer in buffers]
    except (RuntimeError, AssertionError) as error:  # the latter where torch has been built without CUDA
        return [], first_line(error)
    return buffers, ask(handles)


def allocate(size: int, device: torch.device) -> list[Tensor]:
    """The buffers, each holding its number in the first byte, by which the other side knows it."""
    buffers = [torch.empty(size, dtype=torch.uint8, device=device).share_memory_() for _ in range(COUNT)]
    for number, buffer in enumerate(buffers):
        buffer[0] = number
    _finish(device)
    return buffers


def handle_of(buffer: Tensor) -> Handle:
    """What opens it in another process. The buffer must stay as long as that uses it."""
    return reduce_tensor(buffer)


def opened(handle: Handle) -> Tensor:
    """The other process's buffer. The device that it is on is the only one that this process sees."""
    rebuild, arguments = handle
    if rebuild is rebuild_cuda_tensor:
        arguments = (*arguments[:_DEVICE_ARGUMENT], 0, *arguments[_DEVICE_ARGUMENT + 1 :])
    return rebuild(*arguments)


def parts(weights: Iterator[tuple[str, Tensor]], size: int) -> Iterator[list[tuple[Part, Tensor]]]:
    """What goes into a buffer of `size` bytes at a time: each part with its bytes."""
    filling: list[tuple[Part, Tensor]] = []
    start = 0
    for name, tensor in weights:
        data, first = _bytes(tensor.contiguous()), 0
        while first < len(data):
            if start >= size:
                yield filling
                filling, start = [], 0
            end = min(len(data), first + size - start)
            part = Part(name, tensor.dtype, tensor.shape, first, start, end - first)
            filling.append((part, data[first:end]))
            first, start = end, start + -(-part.size // _ALIGNMENT) * _ALIGNMENT
    if filling:
        yield filling


def write(filling: list[tuple[Part, Tensor]], buffer: Tensor) -> list[Part]:
    """Copy the bytes into the buffer: what the other side has to know of them."""
    for part, data in filling:
        buffer[part.start : part.start + part.size].copy_(data)
    _finish(buffer.device)
    return [part for part, _ in filling]


def take(arrived: list[Part], buffer: Tensor, growing: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Copy the parts out of the buffer, which may be filled again then: the weights that are whole now. The last one
    may go on in the next buffer; until then it is kept in `growing`."""
    whole = []
    for part in arrived:
        if part.first == 0:
            growing[part.name] = torch.empty(part.shape, dtype=part.dtype, device=buffer.device)
        data, end = _bytes(growing[part.name]), part.first + part.size
        data[part.first : end].copy_(buffer[part.start : part.start + part.size])
        if end == len(data):
            whole.append((part.name, growing.pop(part.name)))
    _finish(buffer.device)
    return whole


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().view(-1).view(torch.uint8)


def _finish(device: torch.device) -> None:
    """Wait until copies have happened: the other process doesn't see this one's streams."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
