"""The trainer's side of vLLM in a process of its own: the same calls, its death reported at once, and never an orphan.

One request at a time goes over a pipe; weights go through two buffers in memory that both processes share, one of which
is filled while the engine loads the other. `serving` is the other side.
"""

import atexit
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from itertools import chain
from multiprocessing.connection import wait
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.rollouts.vllm.buffers import Handle, buffer_bytes, connected, parts, write
from acereason.rollouts.vllm.requests import Completion, Core, CoreSettings, Request
from acereason.rollouts.vllm.serving import BROKEN_OFF, WHOLE, serve

# why: compiling takes minutes
START_SECONDS = 600.0
"""Seconds within which vLLM must have started."""
_CLOSE_SECONDS = 10.0


class EngineDied(RuntimeError):
    """The engine's process is gone, does not answer, or failed."""


class ChildCore(Core):
    """Starts vLLM in a child process and forwards calls to it.

    Args:
        settings: vLLM's settings.
        environment: variables of the process, beyond the trainer's own.
        device: the engine's device, by the trainer's number; weights are copied straight to it.
        ranks: processes of this machine that have such an engine.
        bucket_bytes: size of each buffer that weights go through.
        seconds: how long the engine may take for a bucket of weights.
    """

    def __init__(
        self,
        settings: CoreSettings,
        environment: dict[str, str],
        device: torch.device,
        ranks: int,
        bucket_bytes: int,
        seconds: float,
    ) -> None:
        self.seconds, self.dtype = seconds, getattr(torch, settings.dtype)
        # why: first, so that too little shared memory is refused before minutes have gone into a start
        size = buffer_bytes(bucket_bytes, ranks, device)
        # why: spawn: a fork would inherit the trainer's threads and its CUDA context, which don't work in a child
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, os.getpid(), environment, settings)
        self.process = context.Process(target=serve, args=arguments, name="acereason-vllm", daemon=True)
        self.process.start()
        # why: multiprocessing's own exit handler would wait for an engine that nobody has closed
        atexit.register(self.process.kill)
        # why: with its only other end in the child, the pipe reports the child's death
        theirs.close()
        self._answer("starting", START_SECONDS)
        self._buffers = connected(size, device, ranks, self._open)

    @override
    def generate(self, requests: list[Request], sampling: Sampling) -> Generator[Completion, None, None]:
        self._send("generate", requests, sampling)
        completion = None
        try:
            while (completion := self._answer("generating")) is not None:
                yield completion
        except GeneratorExit:
            # why: the caller doesn't want the rest; answers on their way would be taken for those of the next call
            self._send_raw(BROKEN_OFF, "generating")
            while completion is not None:
                completion = self._answer("generating")

    @override
    def load(self, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
        self._send("load")
        end, taking_in = BROKEN_OFF, ""
        try:
            weights = chain.from_iterable(buckets)
            for number, filling in enumerate(parts(weights, len(self._buffers[0]), self.dtype)):
                number %= len(self._buffers)
                # why: written before the last answer is awaited: the engine loads the other buffer meanwhile
                message = number, write(filling, self._buffers[number])
                if taking_in:
                    self._answer(taking_in, self.seconds)
                taking_in = f"taking in weights, {filling[0][0].name} to {filling[-1][0].name}"
                self._send_raw(message, taking_in)
            end = WHOLE
        finally:
            # why: also after an error of the weights, so that the engine leaves `load` and can answer another call
            if self.process.is_alive():
                if taking_in:
                    self._answer(taking_in, self.seconds)
                self._send_raw(end, "ending a weight update")
                self._answer("ending a weight update", self.seconds)

    def _open(self, handles: list[Handle]) -> str:
        """Make the engine open the buffers; return its reason if it can't, else an empty text."""
        self._send("open", handles)
        return self._answer("opening the buffers of weights", self.seconds)

    @override
    def sleep(self) -> None:
        self._send("sleep")
        self._answer("going to sleep", self.seconds)

    @override
    def close(self) -> None:
        # why: the child ends itself when the pipe is closed; one that hangs is killed
        self._pipe.close()
        self.process.join(_CLOSE_SECONDS)
        self.process.kill()
        self.process.join()
        atexit.unregister(self.process.kill)

    def _send(self, method: str, *arguments: Any) -> None:
        self._send_raw((method, arguments), method)

    def _send_raw(self, message: Any, what: str) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._died(what) from error

    def _answer(self, what: str, seconds: float | None = None) -> Any:
        """Return the child's next answer; raise EngineDied at once if none will come."""
        # why: on pipe and process alike: a dead child is noticed at once, not after a time limit
        if not wait([self._pipe, self.process.sentinel], seconds):
            self.process.kill()
            raise EngineDied(f"the vLLM engine did not answer within {seconds:g} s while {what}, and was killed")
        try:
            # why: the pipe is read first: a child that failed has sent its reason before it ended
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
