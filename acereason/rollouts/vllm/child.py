"""vLLM in a process of its own: same calls, its death reported at once, and never an orphan.

One request at a time goes over a pipe; weights go through two buffers in shared memory, one of which is filled while
the engine loads the other. The child asks the kernel to be killed with its parent, so that not even SIGKILL of the
trainer leaves it behind.
"""

import ctypes
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch
import torch.multiprocessing
from torch import Tensor
from typing_extensions import override

from acereason.errors import UserError
from acereason.rollouts.vllm.loading import local_core
from acereason.rollouts.vllm.requests import Completion, Core, CoreSettings, Request
from acereason.types import Sampling

START_SECONDS = 600.0
"""Until vLLM must have started; compiling takes minutes."""
_CLOSE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_LAUNCHERS = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"}
_ALIGNMENT = 64
_WHOLE, _BROKEN_OFF = "whole", "broken off"


class EngineDied(RuntimeError):
    """The engine's process is gone, or does not answer, or failed."""


class _BrokenOff(Exception):
    """The trainer can't go on with a weight update."""


class ChildCore(Core):
    """Starts the process, and speaks for it.

    Args:
        settings: vLLM's.
        environment: of the process, beyond the trainer's own.
        bucket_bytes: of each buffer that weights go through; a larger weight makes it grow.
        seconds: how long the engine may take for a bucket of weights.
    """

    def __init__(self, settings: CoreSettings, environment: dict[str, str], bucket_bytes: int, seconds: float) -> None:
        self.seconds = seconds
        self._buffers = [torch.empty(bucket_bytes, dtype=torch.uint8).share_memory_() for _ in range(2)]
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, os.getpid(), environment, settings)
        self.process = context.Process(target=_serve, args=arguments, name="acereason-vllm", daemon=True)
        self.process.start()
        theirs.close()
        self._answer("starting", START_SECONDS)

    @override
    def generate(self, requests: list[Request], sampling: Sampling) -> Generator[Completion, None, None]:
        self._send("generate", requests, sampling)
        completion = None
        try:
            while (completion := self._answer("generating")) is not None:
                yield completion
        except GeneratorExit:  # nobody wants the rest
            self._send_raw(_BROKEN_OFF, "generating")
            while completion is not None:
                completion = self._answer("generating")

    @override
    def load(self, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
        self._send("load")
        end, taking_in = _BROKEN_OFF, ""
        try:
            for number, bucket in enumerate(buckets):
                message = self._written(bucket, number % 2)  # while the engine loads the bucket before it
                if taking_in:
                    self._answer(taking_in, self.seconds)
                taking_in = f"taking in weights, {bucket[0][0]} to {bucket[-1][0]}"
                self._send_raw(message, taking_in)
            end = _WHOLE
        finally:
            if self.process.is_alive():
                if taking_in:
                    self._answer(taking_in, self.seconds)
                self._send_raw(end, "ending a weight update")
                self._answer("ending a weight update", self.seconds)

    def _written(self, bucket: list[tuple[str, Tensor]], number: int) -> tuple[Tensor, "_Layout"]:
        """A buffer with the bucket's weights, and where each one lies."""
        size = sum(_aligned(tensor.nbytes) for _, tensor in bucket)
        if size > len(self._buffers[number]):
            self._buffers[number] = torch.empty(size, dtype=torch.uint8).share_memory_()
        return self._buffers[number], _write(bucket, self._buffers[number])

    @override
    def sleep(self) -> None:
        self._send("sleep")
        self._answer("going to sleep", self.seconds)

    @override
    def close(self) -> None:
        self._pipe.close()  # which ends the child
        self.process.join(_CLOSE_SECONDS)
        self.process.kill()
        self.process.join()

    def _send(self, method: str, *arguments: Any) -> None:
        self._send_raw((method, arguments), method)

    def _send_raw(self, message: Any, what: str) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._died(what) from error

    def _answer(self, what: str, seconds: float | None = None) -> Any:
        """The child's next answer, as soon as there is one; an EngineDied as soon as there will be none."""
        if not wait([self._pipe, self.process.sentinel], seconds):
            self.process.kill()
            raise EngineDied(f"the vLLM engine did not answer within {seconds:g} s while {what}, and was killed")
        try:
            kind, value = self._pipe.recv() if self._pipe.poll() else ("gone", None)
        except (EOFError, OSError):
            kind, value = "gone", None
        if kind == "gone":
            raise self._died(what)
        if kind == "refused":
            raise UserError(value)
        if kind == "failed":
            raise EngineDied(f"the vLLM engine failed while {what}:\n{value}")
        return value

    def _died(self, what: str) -> EngineDied:
        self.process.join(10)
        code = self.process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with {code}"
        return EngineDied(
            f"the vLLM engine (process {self.process.pid}) {how} while {what}; the run goes on from its last "
            "checkpoint with --ckpt_path last"
        )


_Layout = list[tuple[str, torch.dtype, torch.Size, int]]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _write(bucket: list[tuple[str, Tensor]], buffer: Tensor) -> _Layout:
    """Copy the tensors into the buffer; where each one lies."""
    layout: _Layout = []
    start = 0
    for name, tensor in bucket:
        _view(buffer, tensor.dtype, tensor.shape, start).copy_(tensor)
        layout.append((name, tensor.dtype, tensor.shape, start))
        start += _aligned(tensor.nbytes)
    return layout


def _view(buffer: Tensor, dtype: torch.dtype, shape: torch.Size, start: int) -> Tensor:
    return buffer[start : start + shape.numel() * dtype.itemsize].view(dtype).view(shape)


def _serve(pipe: Connection, parent: int, environment: dict[str, str], settings: CoreSettings) -> None:
    """The child's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole foreground; the trainer ends this process
    _die_with(parent)
    for name in _LAUNCHERS:  # this process is none of the trainer's ranks
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        core = local_core(settings)
        pipe.send(("done", None))
        while True:
            message = pipe.recv()
            if message != _BROKEN_OFF:  # which came too late for what it meant
                method, arguments = message
                _METHODS[method](pipe, core, *arguments)
    except EOFError:  # the trainer has closed its end
        core.close()
    except UserError as error:
        pipe.send(("refused", str(error)))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


def _generate(pipe: Connection, core: Core, requests: list[Request], sampling: Sampling) -> None:
    """A thread sends: the trainer may be busy with an update, and a pipe holds little."""
    answers: SimpleQueue = SimpleQueue()
    sender = Thread(target=_send_all, args=(pipe, answers))
    sender.start()
    with closing(core.generate(requests, sampling)) as completions:
        for completion in completions:
            answers.put(completion)
            if pipe.poll():  # nobody wants the rest
                pipe.recv()
                break
    answers.put(None)
    sender.join()
    pipe.send(("done", None))


def _send_all(pipe: Connection, answers: SimpleQueue) -> None:
    for answer in iter(answers.get, None):
        pipe.send(("done", answer))


def _load(pipe: Connection, core: Core) -> None:
    with suppress(_BrokenOff):  # the trainer raises the reason
        core.load(_buckets(pipe))
    pipe.send(("done", None))


def _buckets(pipe: Connection) -> Iterator[list[tuple[str, Tensor]]]:
    while (message := pipe.recv()) != _WHOLE:
        if message == _BROKEN_OFF:
            raise _BrokenOff
        buffer, layout = message
        # a copy: vLLM keeps a weight until its whole layer has come, and the buffer is filled again by then
        yield [(name, _view(buffer, dtype, shape, start).clone()) for name, dtype, shape, start in layout]
        pipe.send(("done", None))


def _sleep(pipe: Connection, core: Core) -> None:
    core.sleep()
    pipe.send(("done", None))


_METHODS: dict[str, Callable[..., None]] = {"generate": _generate, "load": _load, "sleep": _sleep}


def _die_with(parent: int) -> None:
    """Linux: be killed when the thread that started this process ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the call
