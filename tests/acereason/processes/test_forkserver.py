"""The server that workers are forked from, by real signals."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.limits import HANG

SERVED = """
import os, signal, sys
from multiprocessing import forkserver, resource_tracker
from acereason.processes.forkserver import CONTEXT, start_server

if __name__ == "__main__":
    start_server()
    server, tracker = forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid
    os.kill(server, int(sys.argv[1]))  # before they have imported anything
    os.kill(tracker, int(sys.argv[1]))
    process = CONTEXT.Process(target=print, args=("served",), daemon=True)
    process.start()
    process.join()
    os.kill(server, int(sys.argv[1]))
    os.kill(tracker, int(sys.argv[1]))
    lock = CONTEXT.Lock()  # a dead tracker is started again, with a warning
    blocked = [line for line in open(f"/proc/{server}/status") if line.startswith("SigBlk")]
    print(process.exitcode, int(blocked[0].split()[1], 16), signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_in_its_first_moment_does_not_end_it(tmp_path, number):
    (tmp_path / "served.py").write_text(SERVED)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    command = [sys.executable, str(tmp_path / "served.py"), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment)
    assert (done.stdout, done.stderr) == ("served\n0 0 set()\n", "")
