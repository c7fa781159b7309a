"""Importing this makes a process deaf to the signals that end a verb: the server that workers are forked from."""

import signal

from acereason.signals import SIGNALS, ignore

ignore()
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # they were blocked until here, see acereason/forkserver.py
