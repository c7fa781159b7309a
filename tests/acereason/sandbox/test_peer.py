"""Two ends of a channel in one process: the guarded one asks, the other one, in a thread, has the program's names."""

import socket
import threading
from collections.abc import Iterator

import pytest

from acereason.sandbox import serving
from acereason.sandbox.foreign import Proxy
from acereason.sandbox.peer import Peer
from acereason.sandbox.references import CannotCross

PROGRAM = """
count = 0
class Log:
    def __init__(self, out): self.out = out
    def say(self, text):
        global count
        count += 1
        self.out.append(text)
        return len(self.out)
class Liar:
    def __eq__(self, other): return True
    def __len__(self): return 3
    def __contains__(self, item): return True
    def __iter__(self): return iter([1])
def lie(): return Liar()
def fail(): raise KeyError("x")
def call(function): return function(20)
"""


@pytest.fixture
def asking() -> Iterator[Peer]:
    names: dict = {}
    before: dict = {}
    exec(PROGRAM, names)
    names.pop("__builtins__")
    here, there = socket.socketpair()
    also = serving.actions(names, before)
    served = Peer(there.makefile("rb"), lambda text: there.sendall(text.encode() + b"\n"), guarded=False, also=also)
    also["watch"] = served.watch
    thread = threading.Thread(target=served.serve)
    thread.start()
    yield Peer(here.makefile("rb"), lambda text: here.sendall(text.encode() + b"\n"), guarded=True, also={})
    here.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_names_that_a_program_defines_are_told(asking):
    assert asking.ask("defined") == ["count", "Log", "Liar", "lie", "fail", "call"]


def test_an_object_is_asked_where_it_is(asking):
    log = asking.ask("global", None, "Log")([])
    assert type(log) is Proxy
    assert log.say("a") == 1
    assert log.out == ["a"]
    log.out = ["b", "c"]
    assert log.say("d") == 3


def test_lists_that_both_sides_hold_stay_one(asking):
    out: list = []
    log = asking.ask("global", None, "Log")(out)
    log.say("theirs")
    assert out == ["theirs"]
    out.append("ours")
    assert log.say("theirs again") == 3
    assert out == ["theirs", "ours", "theirs again"]
    held = log.out
    held.clear()
    assert log.say("only") == 1


def test_a_change_of_a_watched_variable_is_told(asking):
    told = []
    asking.changed = lambda name, value: told.append((name, value))
    asking.ask("watch", None, ["count"])
    log = asking.ask("global", None, "Log")([])
    log.say("a")
    log.say("b")
    assert told == [("count", 0), ("count", 1), ("count", 2)]


def test_an_object_has_no_say_in_what_it_equals(asking):
    liar = asking.ask("global", None, "lie")()
    assert liar != 5
    assert len(liar) == 3
    assert 7 not in liar
    assert 1 in liar


def test_an_exception_arrives_with_its_class_and_arguments(asking):
    with pytest.raises(KeyError) as caught:
        asking.ask("global", None, "fail")()
    assert caught.value.args == ("x",)


def test_the_program_calls_a_function_of_the_test(asking):
    assert asking.ask("global", None, "call")(lambda number: number + 1) == 21


def test_a_module_of_the_test_never_crosses(asking):
    with pytest.raises(CannotCross, match="the module socket"):
        asking.ask("set global", None, "call", socket)
    # an object that the program made up can't make it an error of the test
    with pytest.raises(TypeError, match="the module socket is passed to an object that the program made up"):
        asking.ask("global", None, "call")(socket)
