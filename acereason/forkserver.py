"""The server that worker processes are forked from, without a copy of the trainer's threads, memory and accelerator."""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker

from acereason.listener import SIGNALS

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["acereason.deaf", "acereason.rewards.judging", "acereason.rewards.warm"])
# why here: there is one server a process, and whoever starts it decides what every worker finds imported


def start_server() -> None:
    """Start it unless it runs, with the signals blocked that end a verb.

    Ctrl-C reaches it too, and would end it by a traceback before it has imported `acereason.deaf`, which unblocks them.
    The tracker of semaphores is started with it: Python makes that one deaf to SIGINT and SIGTERM only, and it would
    end by the group's SIGUSR1, and forget what it tracks.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # starting the tracker has let some through
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
