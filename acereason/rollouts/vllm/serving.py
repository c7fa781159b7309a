"""The engine's side of vLLM in a process of its own: it answers the trainer's requests, one at a time.

It asks the kernel to be killed with its parent, so that not even SIGKILL of the trainer leaves it behind.
"""

import ctypes
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from torch import Tensor

from acereason.common.errors import UserError, first_line
from acereason.common.types import Sampling
from acereason.processes.distributed import LAUNCHED
from acereason.processes.signals import ignore
from acereason.rollouts.vllm.buffers import Handle, opened, take
from acereason.rollouts.vllm.loading import local_core
from acereason.rollouts.vllm.requests import CoreSettings, InProcess, Request

WHOLE, BROKEN_OFF = "whole", "broken off"
"""Messages that end a weight update; the second one also ends a generation."""
_PR_SET_PDEATHSIG = 1


class _BrokenOff(Exception):
    """The trainer can't go on with a weight update."""


def serve(pipe: Connection, parent: int, environment: dict[str, str], settings: CoreSettings) -> None:
    """Run the engine's process until the trainer closes the pipe; send exceptions to it as `refused` or `failed`."""
    # why: Ctrl-C reaches the whole process group, but the trainer decides when this process ends
    ignore()
    _die_with(parent)
    # why: this process is none of the trainer's ranks, and vLLM must not take it for one
    for name in LAUNCHED:
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        _Server(pipe, local_core(settings)).serve()
    except UserError as error:
        pipe.send(("refused", str(error)))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


class _Server:
    """Answers requests from the trainer's pipe with an engine."""

    def __init__(self, pipe: Connection, core: InProcess) -> None:
        self.pipe, self.core = pipe, core
        self.buffers: list[Tensor] = []

    def serve(self) -> None:
        """Answer requests until the trainer closes its end of the pipe."""
        methods: dict[str, Callable[..., None]] = {
            "open": self.open,
            "generate": self.generate,
            "load": self.load,
            "sleep": self.sleep,
        }
        self.answer(None)
        with suppress(EOFError):
            while True:
                message = self.pipe.recv()
                # why: the trainer may break off a generation just when its last response is out: then it comes late
                if message != BROKEN_OFF:
                    method, arguments = message
                    methods[method](*arguments)
        self.core.close()

    def answer(self, value: Any) -> None:
        """Send the result of a request, or a part of it."""
        self.pipe.send(("done", value))

    def open(self, handles: list[Handle]) -> None:
        """Open the trainer's buffers; answer the reason if they can't be opened, else an empty text."""
        try:
            self.buffers = [opened(handle) for handle in handles]
            seen = [int(buffer[0]) for buffer in self.buffers]
        except RuntimeError as error:
            return self.answer(first_line(error))
        return self.answer("" if seen == [*range(len(seen))] else f"the engine reads {seen} in them")

    def generate(self, requests: list[Request], sampling: Sampling) -> None:
        """Answer with each completion, then None; stop if the trainer sends `BROKEN_OFF`."""
        # why: a thread sends: the trainer may be busy with an update, and a pipe holds little
        answers: SimpleQueue = SimpleQueue()
        sender = Thread(target=self._send_all, args=(answers,))
        sender.start()
        try:
            with closing(self.core.generate(requests, sampling)) as completions:
                for completion in completions:
                    answers.put(completion)
                    # why: a message meanwhile can only be BROKEN_OFF: the trainer doesn't want the rest
                    if self.pipe.poll():
                        self.pipe.recv()
                        break
        finally:
            # why also after a failure: its reason goes through the same pipe, and a thread would keep the process
            answers.put(None)
            sender.join()
        self.answer(None)

    def _send_all(self, answers: SimpleQueue) -> None:
        # why: the trainer has closed its end, which the main thread sees too
        with suppress(BrokenPipeError):
            for answer in iter(answers.get, None):
                self.answer(answer)

    def load(self) -> None:
        """Load new weights from the buffers."""
        # why: the trainer has the reason, and raises it
        with suppress(_BrokenOff):
            self.core.load(self._buckets())
        self.answer(None)

    def _buckets(self) -> Iterator[list[tuple[str, Tensor]]]:
        growing: dict[str, Tensor] = {}
        # why: else copies: vLLM keeps a weight until its whole layer has come, and the buffer is filled again by then
        homes = self.core.homes()
        while (message := self.pipe.recv()) != WHOLE:
            if message == BROKEN_OFF:
                raise _BrokenOff
            number, arrived = message
            if whole := take(arrived, self.buffers[number], growing, homes):
                yield whole
            self.answer(None)

    def sleep(self) -> None:
        """Free the device's memory and answer."""
        self.core.sleep()
        self.answer(None)


def _die_with(parent: int) -> None:
    """Have Linux kill this process when the thread that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # why: a parent that ended before the call would never be noticed
    if os.getppid() != parent:
        os._exit(1)
