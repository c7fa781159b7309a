import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from acereason.common import locks
from acereason.common.errors import UserError
from acereason.common.locks import Lock, hold, locked

HOLDER = """
import sys, time
from pathlib import Path
from acereason.common.locks import locked
with locked(Path(sys.argv[1]), "output"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "f")], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_the_first_is(tmp_path, holder):
    told = f"output: process {holder.pid} on {socket.gethostname()} is writing into {tmp_path / 'f'}; wait"
    with pytest.raises(UserError, match=told), locked(tmp_path / "f", "output"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_the_holder_opens_the_lock(tmp_path, holder, number):
    os.kill(holder.pid, number)
    holder.wait()
    with locked(tmp_path / "f", "output"):
        assert json.loads((tmp_path / "f/.lock").read_text())["pid"] == os.getpid()


def test_a_block_that_has_ended_leaves_no_lock(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "deep/folder", "output"):
            pass
        assert list((tmp_path / "deep/folder").iterdir()) == []


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "file").open("w") as file, pytest.warns(UserWarning, match="no locks on this file system"):
        hold(file, "refused")


FORKER = """
import multiprocessing, os, sys, time
from pathlib import Path
from acereason.common.locks import Lock

def live():
    print(os.getpid(), flush=True)  # by the child: it has let go of the lock when Python goes on after the fork
    time.sleep(60)

lock = Lock(Path(sys.argv[1]), "output")
lock.take()
multiprocessing.get_context("fork").Process(target=live).start()
time.sleep(60)
"""


def test_children_do_not_keep_the_lock_of_a_parent_that_was_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", FORKER, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # it is still there
        lock = Lock(tmp_path, "output")
        assert lock.take().pid == parent.pid
        os.kill(child, signal.SIGKILL)
    lock.release()
    assert list(tmp_path.iterdir()) == []


def held_elsewhere(folder, **changes):
    """A lock that a process on another machine left, or holds."""
    path = folder / ".lock"
    path.touch()
    other = {"pid": 7, "host": "node-3", "boot": "another", "born": "1", "inode": path.stat().st_ino}
    path.write_text(json.dumps(other | changes))
    return path


def test_a_holder_on_another_machine_that_gives_signs_of_life_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT_SECONDS", 0.2)
    path, ended = held_elsewhere(tmp_path), threading.Event()

    def beat():
        while not ended.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    with pytest.raises(UserError, match="output: process 7 on node-3 is writing into"):
        Lock(tmp_path, "output").take()
    ended.set()
    thread.join()


def test_a_holder_on_another_machine_that_gives_none_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT_SECONDS", 0.05)
    held_elsewhere(tmp_path)
    lock = Lock(tmp_path, "output")
    assert str(lock.take()) == "process 7 on node-3"
    before = lock.path.stat().st_mtime
    time.sleep(0.2)
    assert lock.path.stat().st_mtime > before  # it gives signs itself
    lock.release()


@pytest.mark.parametrize("changes", [{"inode": 1}, {"host": socket.gethostname()}, {"boot": locks._boot()}])
def test_a_copy_and_a_machine_that_was_started_again_are_not_waited_for(tmp_path, monkeypatch, changes):
    monkeypatch.setattr(locks, "_BEAT_SECONDS", 1000.0)
    held_elsewhere(tmp_path, **changes)
    lock = Lock(tmp_path, "output")
    lock.take()
    lock.release()


def test_without_locks_a_living_process_of_this_machine_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    me = {"pid": os.getpid(), "host": socket.gethostname(), "boot": locks._boot(), "born": locks._born(os.getpid())}
    held_elsewhere(tmp_path, **me)
    with pytest.warns(UserWarning, match="no locks"), pytest.raises(UserError, match=f"process {os.getpid()} on"):
        Lock(tmp_path, "output").take()
    held_elsewhere(tmp_path, **me | {"born": "1"})  # another process has its number now
    lock = Lock(tmp_path, "output")
    with pytest.warns(UserWarning, match="no locks"):
        lock.take()
    lock.release()
