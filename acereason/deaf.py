"""Importing this module makes a process ignore the signals that end a verb; the server of worker processes does so."""

import signal

from acereason.signals import SIGNALS, ignore

ignore()
# why: they were blocked until they are ignored, see acereason/forkserver.py
signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
