"""Importing this module makes a process ignore the signals that end a verb; the server of worker processes does so."""

import signal

from acereason.processes.signals import SIGNALS, ignore

ignore()
# why: they were blocked until they are ignored, see acereason/processes/forkserver.py
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
