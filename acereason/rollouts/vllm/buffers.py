"""Buffers in memory that the trainer and its engine's process share, through which weights are sent.

Between GPUs they lie on the engine's: the trainer copies from device to device, and the engine opens them by a CUDA IPC
handle, as vLLM's own `ipc` transfer does. Elsewhere, and where CUDA refuses, they are in the machine's shared memory.
There are two: one is filled while the engine reads the other; a weight larger than one goes in parts.
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

from acereason.common.errors import UserError, first_line
from acereason.rollouts.weights import require_finite

COUNT = 2
SHARED = torch.device("cpu")
"""Device of buffers in the machine's shared memory."""
_FOLDER = Path("/dev/shm")
"""The machine's shared memory, as a file system of limited size."""
_LEAST = 2**20
"""Bytes below which a buffer is refused."""
_ALIGNMENT = 64
"""Parts begin at multiples of so many bytes."""
_DEVICE_ARGUMENT = 6
"""Position of the device's number among the arguments of `rebuild_cuda_tensor`."""

Handle = tuple[Callable[..., Tensor], tuple[Any, ...]]
"""A function and its arguments, which open the same memory in another process."""


@dataclass(frozen=True)
class Part:
    """A range of a weight's elements, and its place in a buffer."""

    name: str
    dtype: torch.dtype
    shape: torch.Size
    first: int
    """Its first element in the weight."""
    size: int
    """Elements."""
    start: int
    """Offset in the buffer, bytes."""

    def of(self, buffer: Tensor) -> Tensor:
        """The part's elements in the buffer."""
        return buffer[self.start : self.start + self.size * self.dtype.itemsize].view(self.dtype)


def buffer_bytes(wanted: int, ranks: int, device: torch.device) -> int:
    """Return the size of each buffer: the wanted bytes, or in shared memory as many as there is room for.

    Args:
        ranks: processes of this machine that share it.

    Raises:
        UserError: there is next to no room.
    """
    if device != SHARED:
        return wanted
    free = shutil.disk_usage(_FOLDER).free if _FOLDER.exists() else 0
    # why: half of the shared memory is left to others: NCCL, data loaders
    share = free // 2 // (COUNT * ranks) // _ALIGNMENT * _ALIGNMENT
    if share < min(wanted, _LEAST):
        raise UserError(
            f"model.engine.placement: weights go to a separate engine through {_FOLDER}, which has {free / 2**20:.1f} "
            f"MiB free for {ranks} ranks; give it more: docker run --shm-size=4g, mount -o remount,size=4g {_FOLDER}"
        )
    return min(wanted, share)


def connected(size: int, device: torch.device, ranks: int, ask: Callable[[list[Handle]], str]) -> list[Tensor]:
    """Allocate buffers and have the engine open them: on its device, or else, with a warning, in shared memory.

    Args:
        size: bytes of each buffer.
        device: the engine's device, by this process's number.
        ranks: processes of this machine that have such an engine.
        ask: makes the engine open them, and returns its reason if it can't, else an empty text.
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
    except (RuntimeError, AssertionError) as error:  # why: torch raises AssertionError where it is built without CUDA
        return [], first_line(error)
    return buffers, ask(handles)


def allocate(size: int, device: torch.device) -> list[Tensor]:
    """Allocate the buffers and write each one's number into its first byte."""
    # why: the numbers let the engine see whether it has opened this memory or some other; zeros, since what lies
    # between two parts is added up with them
    buffers = [torch.zeros(size, dtype=torch.uint8, device=device).share_memory_() for _ in range(COUNT)]
    for number, buffer in enumerate(buffers):
        buffer[0] = number
    _finish(device)
    return buffers


def handle_of(buffer: Tensor) -> Handle:
    """Return a handle that opens the buffer in another process, and is valid as long as the buffer exists here."""
    return reduce_tensor(buffer)


def opened(handle: Handle) -> Tensor:
    """Open the other process's buffer."""
    rebuild, arguments = handle
    # why: the handle has the trainer's number of the device, which is the only one, 0, that this process sees
    if rebuild is rebuild_cuda_tensor:
        arguments = (*arguments[:_DEVICE_ARGUMENT], 0, *arguments[_DEVICE_ARGUMENT + 1 :])
    return rebuild(*arguments)


def parts(weights: Iterator[tuple[str, Tensor]], size: int, dtype: torch.dtype) -> Iterator[list[tuple[Part, Tensor]]]:
    """Cut the weights into parts, which are sent in `dtype`, and yield for each filling of a buffer of `size` bytes its
    parts with their elements."""
    filling: list[tuple[Part, Tensor]] = []
    start = 0
    for name, tensor in weights:
        data, first = tensor.detach().reshape(-1), 0
        while first < len(data):
            if start >= size:
                yield filling
                filling, start = [], 0
            end = min(len(data), first + (size - start) // dtype.itemsize)
            part = Part(name, dtype, tensor.shape, first, end - first, start)
            filling.append((part, data[first:end]))
            first, start = end, start + -(-(end - first) * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
    if filling:
        yield filling


def write(filling: list[tuple[Part, Tensor]], buffer: Tensor) -> list[Part]:
    """Copy the elements into the buffer, check those that are converted, and return the parts, which tell the other
    process what lies where."""
    for part, data in filling:
        part.of(buffer).copy_(data)
    last = filling[-1][0]
    if any(data.dtype != part.dtype for part, data in filling):
        used = buffer[: last.start + last.size * last.dtype.itemsize].view(last.dtype)
        require_finite(((part.name, part.of(buffer)) for part, _ in filling), used)
    _finish(buffer.device)
    return [part for part, _ in filling]


def take(
    arrived: list[Part], buffer: Tensor, growing: dict[str, Tensor], homes: dict[str, Tensor] | None
) -> list[tuple[str, Tensor]]:
    """Return the weights that are complete. The last weight may continue in the next buffer; until then it is kept in
    `growing`.

    Args:
        arrived: what lies in the buffer.
        buffer: may be filled again when the weights have been used.
        growing: the same for all buffers of an update.
        homes: where a weight of that name may grow. None: all are copied, and the buffer may be filled again at once.
    """
    whole = []
    for part in arrived:
        if homes is not None and part.size == part.shape.numel():
            whole.append((part.name, part.of(buffer).view(part.shape)))
            continue
        if part.first == 0:
            home = (homes or {}).get(part.name)
            growing[part.name] = (
                torch.empty(part.shape, dtype=part.dtype, device=buffer.device) if home is None else home
            )
        end = part.first + part.size
        growing[part.name].view(-1)[part.first : end].copy_(part.of(buffer))
        if end == part.shape.numel():
            whole.append((part.name, growing.pop(part.name)))
    _finish(buffer.device)
    return whole


def _finish(device: torch.device) -> None:
    # why: copies on a GPU are asynchronous, and the other process doesn't see this one's streams
    if device.type == "cuda":
        torch.cuda.synchronize(device)
