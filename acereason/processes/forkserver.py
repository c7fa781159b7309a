"""The server that worker processes are forked from, without a copy of the trainer's threads, memory and accelerator."""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker

from acereason.processes.listener import SIGNALS

CONTEXT = multiprocessing.get_context("forkserver")
# why: at import: there is one server a process, and its first start decides what every worker finds imported
CONTEXT.set_forkserver_preload(["acereason.processes.deaf", "acereason.rewards.registry", "acereason.rewards.preload"])


def start_server() -> None:
    """Start the server unless it runs, with those signals blocked that end a verb."""
    # why: Ctrl-C reaches the server too, and would end it by a traceback before it has imported
    # `acereason.processes.deaf`, which unblocks the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        # why: Python makes the tracker of semaphores ignore SIGINT and SIGTERM only: started without this block it
        # would end by the group's SIGUSR1, and forget what it tracks
        resource_tracker.ensure_running()
        # why: starting the tracker unblocks some of the signals
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
