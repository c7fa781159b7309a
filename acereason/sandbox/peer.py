"""Connect a program and its examiner: each owns objects, and may ask the other one to act on its objects.

Questions nest: while one side waits for an answer, it answers the other's questions (a program calls a function of the
tests that it was given). The examiner's end is guarded: a program may only use objects that a test passed to it,
as functions and by what their class defines, and never reaches anything around them.
"""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO

from acereason.sandbox import wire
from acereason.sandbox.actions import ACTIONS
from acereason.sandbox.classes import as_foreign
from acereason.sandbox.foreign import Proxy, number_of
from acereason.sandbox.guard import check
from acereason.sandbox.inplace import change_in_place
from acereason.sandbox.known import known_name, named

_LONGEST_LINE = 64 * 2**20
"""Bytes of the longest message that is read."""
_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
_MUTABLE = (list, dict, set, bytearray)
_LENDING = {"getattr", "getitem", "global"}
"""Actions that answer with a part of an object: changes to such a list on one side show on the other."""
_MOST_RETAINED, _LONGEST_RETAINED = 16, 2_000
"""Most lists that are followed, and characters of each one's JSON: looking at them costs time after every action."""


class PeerEnded(BaseException):
    """The other process is gone. A BaseException, so that no test code catches it by accident."""


class CannotCross(BaseException):
    """A test passes something to the program that only exists in the test's process."""


class Peer:
    """The channel's end of one process.

    Args:
        read: stream of lines from the other end.
        send: writes a line to it.
        guarded: whether the other end is a program, which must be told nothing but what tests pass to it.
        also: further actions that the other end may ask for, by name.
    """

    def __init__(
        self, read: BinaryIO, send: Callable[[str], None], guarded: bool, also: dict[str, Callable[..., Any]]
    ) -> None:
        self._read, self._send, self.guarded, self._also = read, send, guarded, also
        self._lent: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._foreign: dict[int, Any] = {}
        self._shared: dict[int, tuple[Any, str]] = {}
        self._retained: dict[int, str] = {}
        self.common: Callable[[str], Any] = lambda name: None
        """The class of this name, where both sides have it from the same code."""
        self.surprising: set[str] = set()
        """Actions of which a StopIteration would end a loop of the tests that has nothing to do with it."""
        self.watched: dict[str, str] = {}
        """Global variables here that hold data, which the other side must know, as it knows them."""
        self.changed: Callable[[str, Any], None] = lambda name, value: None
        """Called when a variable of the other side has changed."""
        self.printed: Callable[[], str] = str
        """Returns the text that was printed here since its last call."""
        self.ended = False
        """Whether the other end once didn't answer, which a test that catches everything can't hide."""
        self.raised: BaseException | None = None
        """The last exception that came from the other end."""

    def ask(self, action: str, target: Any = None, /, *args: Any, **kwargs: Any) -> Any:
        """Have the other process act on an object of its own, and return the result."""
        self._write_back()
        try:
            passed = [wire.encode(value, self.refer) for value in (target, list(args), kwargs)]
        except CannotCross as error:
            if isinstance(target, Proxy) and not target.acereason_is_global:
                # why: the program's doing: an error would blame
                # the test, and a program must not bring about one
                raise TypeError(f"{error} is passed to an object that the program made up") from None
            raise
        answer = self._request(dict(zip(("do", "target", "args", "kwargs"), (action, *passed), strict=True)))
        if "raised" in answer:
            self.raised = self._decode(answer["raised"])
            if isinstance(self.raised, StopIteration) and action in self.surprising:
                # why: it would end a loop of the test's without a word, and skip the assertions that follow
                raise RuntimeError("the program raised StopIteration") from self.raised
            raise self.raised
        mine = [*args, *kwargs.values()]
        for own, theirs in zip(mine, self._decode(answer.get("args", [])), strict=False):
            change_in_place(own, theirs)
        for place, number in answer.get("retained", []):
            if type(mine[place]) in _MUTABLE:
                self._share(number, mine[place])
        return self._kept(answer)

    def serve(self) -> None:
        """Answer until the other end hangs up."""
        while line := self._read.readline():
            self._send(self._answer(json.loads(line)))

    def refer(self, value: Any) -> Any:
        """Return the reference by which an object that is no plain data crosses."""
        if (number := number_of(value)) is not None:
            return {"yours": number}
        if isinstance(value, type) and value is self.common(value.__name__):
            return {"common": value.__name__}
        if name := known_name(value, all_functions=self.guarded):
            return {"known": name}
        if isinstance(value, ModuleType) and self.guarded:
            raise CannotCross(f"the module {value.__name__}")
        if isinstance(value, type):
            bases = [self.refer(base) for base in value.__bases__]
            return {"class": [value.__name__, bases, self._lend(value)]}
        if isinstance(value, BaseException):
            text = _text_of(value)
            return {"error": [self.refer(type(value)), self._arguments_of(value), text, self._lend(value)]}
        if isinstance(value, _IMMUTABLE):
            return {"like": [wire.plain(value, self.refer), self._lend(value), type(value).__name__]}
        base = next((kind.__name__ for kind in _MUTABLE if isinstance(value, kind)), "")
        return {"mine": [self._lend(value), base]}

    def _resolve(self, name: str, content: Any) -> Any:
        if name == "yours":
            return self._lent[content]
        if name == "common":
            return self.common(content)
        if name == "known":
            return named(content, trusted=not self.guarded)
        number = content[{"mine": 0, "like": 1, "class": 2, "error": 3}[name]]
        if number not in self._foreign:
            self._foreign[number] = as_foreign(self, name, content, self._decode)
        return self._foreign[number]

    def _decode(self, data: Any) -> Any:
        return wire.decode(data, self._resolve)

    def _lend(self, value: Any) -> int:
        if id(value) not in self._numbers:
            # why: lent objects are kept for good, so that no other object gets their id
            self._numbers[id(value)] = len(self._lent)
            self._lent.append(value)
        return self._numbers[id(value)]

    def _arguments_of(self, error: BaseException) -> Any:
        """Return an exception's arguments, or its text where they can't cross."""
        try:
            return wire.encode(list(error.args), self.refer)
        except (CannotCross, RecursionError):
            return [_text_of(error)]

    def _kept(self, answer: dict[str, Any]) -> Any:
        """Return an answer's value; an object's own list has one copy here, which goes back when it has changed."""
        value = self._decode(answer["value"])
        if "shared" not in answer:
            return value
        copy = self._shared[answer["shared"]][0] if answer["shared"] in self._shared else value
        copy = change_in_place(copy, value)
        self._share(answer["shared"], copy)
        return copy

    def _share(self, number: int, copy: Any) -> None:
        self._shared[number] = copy, json.dumps(wire.encode(copy, self.refer))

    def _write_back(self) -> None:
        """Send back the changes that test code has made to lists which belong to objects over there."""
        # why: emptied first: while a request waits, it answers questions that lead here again
        shared, self._shared = self._shared, {}
        for number in list(shared):
            copy, before = shared.pop(number)
            data = wire.encode(copy, self.refer)
            if json.dumps(data) != before:
                self._request({"do": "replace", "target": {"yours": number}, "args": [data], "kwargs": {"dict": []}})
            # why: 2 are the name here and the argument; without
            # a third, no test code can change the copy any more
            if sys.getrefcount(copy) > 2:
                self._shared[number] = copy, json.dumps(data)

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._send(json.dumps(request))
            while True:
                # why: bounded: a program may write without end, and a message that is cut off can't be read
                message: dict[str, Any] = json.loads(self._read.readline(_LONGEST_LINE))
                if "do" not in message:
                    self._take_notice(message)
                    return message
                self._send(self._answer(message))
        # why: a program may send anything; a message that makes no sense counts as its end
        except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
            self.ended = True
            raise PeerEnded from error

    def _take_notice(self, answer: dict[str, Any]) -> None:
        """Take over the text that the other side printed, and its changed variables and lists."""
        sys.stdout.write(answer.get("printed", ""))
        for name, data in answer.get("variables", {}).items():
            self.changed(name, self._decode(data))
        for number, data in answer.get("changed", []):
            if number in self._shared:
                self._share(number, change_in_place(self._shared[number][0], self._decode(data)))

    def watch(self, names: list[str]) -> None:
        """Tell the other side from now on when one of these variables of ours changes."""
        self.watched = dict.fromkeys(names, "")

    def _variables(self) -> dict[str, Any]:
        """Return the watched variables that have changed since the other side was last told."""
        found = {}
        for name, known in self.watched.items():
            data = wire.encode(self._also["global"](name), self.refer)
            if (text := json.dumps(data)) != known:
                self.watched[name], found[name] = text, data
        return found

    def _answer(self, request: dict[str, Any]) -> str:
        try:
            return self._tell(self._done(request))
        # why: the exception belongs to the caller, which is on the other side
        except (Exception, SystemExit) as error:
            return self._tell({"raised": self._raisable(error)})

    def _tell(self, answer: dict[str, Any]) -> str:
        if printed := self.printed():
            answer["printed"] = printed
        if self.watched and (variables := self._variables()):
            answer["variables"] = variables
        if changed := self._changes():
            answer["changed"] = changed
        return json.dumps(answer)

    def _raisable(self, error: BaseException) -> Any:
        try:
            return wire.encode(error, self.refer)
        # why: its class may lie about itself, so that only its name can be told
        except Exception:
            return {"error": [{"known": "builtins:Exception"}, [type(error).__name__], type(error).__name__, -1]}

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        action, target = request["do"], self._decode(request["target"])
        args, kwargs = self._decode(request["args"]), self._decode(request["kwargs"])
        if action == "data":
            return {"value": wire.plain(target, self.refer)}
        if action == "replace":
            found = bool(change_in_place(target, *args))
            # why: the other side made this change, and need not be told of it
            self._changes()
            return {"value": found}
        if self.guarded and action not in self._also:
            check(request, target, args)
        value = (self._also.get(action) or ACTIONS[action])(
            *([] if action in self._also else [target]), *args, **kwargs
        )
        self._write_back()
        answer = {"value": wire.encode(value, self.refer)}
        if action in _LENDING and type(value) in _MUTABLE:
            answer["shared"] = self._lend(value)
        if not self.guarded and (retained := self._retain([*args, *kwargs.values()], value)):
            answer["retained"] = retained
        after = wire.encode([*args, *kwargs.values()], self.refer)
        return answer if after == request["args"] else {**answer, "args": after}

    def _retain(self, passed: list[Any], value: Any) -> list[tuple[int, int]]:
        """Return (place, number) of lists that the program goes on to hold: the test must see their later changes."""
        told = []
        for place in range(len(passed)):
            known = 3 + (passed[place] is value)  # the list here, that of the caller, the argument
            if type(passed[place]) in _MUTABLE and sys.getrefcount(passed[place]) > known:
                data = json.dumps(wire.encode(passed[place], self.refer))
                if len(data) <= _LONGEST_RETAINED and len(self._retained) < _MOST_RETAINED:
                    told.append((place, self._lend(passed[place])))
                    self._retained[told[-1][1]] = data
        return told

    def _changes(self) -> list[tuple[int, Any]]:
        """Return (number, data) of the retained lists that have changed since the last call."""
        found = []
        for number, before in list(self._retained.items()):
            data = wire.encode(self._lent[number], self.refer)
            if (text := json.dumps(data)) != before:
                self._retained[number] = text
                found.append((number, data))
        return found


def _text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error))[:2000]
    # why: a class of the program's may raise from its __str__
    except Exception:
        return ""
