"""One end of the channel between a program and the examiner: each owns objects, and may ask for what the other's do.

Questions nest: while one side waits for an answer, it answers the other's questions (a program calls a function of the
tests that it was given). The examiner's end is guarded: of its own objects a program may use those that a test passed
to it, as functions and by what their class defines, and never reach what is around them.
"""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO

from acereason.rewards.sandbox import wire
from acereason.rewards.sandbox.actions import ACTIONS
from acereason.rewards.sandbox.classes import as_foreign
from acereason.rewards.sandbox.foreign import Proxy, number_of
from acereason.rewards.sandbox.guard import check
from acereason.rewards.sandbox.inplace import change_in_place
from acereason.rewards.sandbox.known import known_name, named

_LONGEST_LINE = 64 * 2**20
"""Bytes."""
_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
_MUTABLE = (list, dict, set, bytearray)
_LENDING = {"attribute", "item", "global"}
"""Answers of these are parts of their object: what one side does to a list among them, the other sees."""
_MOST_RETAINED, _LONGEST_RETAINED = 16, 2_000
"""Lists, and characters of their JSON: each is looked at after every action, which costs a program its time."""


class PeerEnded(BaseException):
    """The other process is gone; no test code catches this by accident."""


class CannotCross(BaseException):
    """The test passes something to the program that only exists in this process."""


class Peer:
    """The channel's end of one process.

    Args:
        read: lines from the other end.
        send: writes a line to it.
        guarded: whether the other end is a program that must be told nothing else than what tests pass to it.
        also: further things that the other end may ask for, by name.
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
        """What to do when a variable of the other side's has changed."""
        self.printed: Callable[[], str] = str
        """What was printed here since it was last called."""
        self.ended = False
        """Whether the other end once didn't answer; tests that catch everything can't hide that."""
        self.raised: BaseException | None = None
        """The last exception that came from there."""

    def ask(self, action: str, target: Any = None, /, *args: Any, **kwargs: Any) -> Any:
        """Have the other process do something with an object of its own."""
        self._write_back()
        try:
            passed = [wire.encode(value, self.refer) for value in (target, list(args), kwargs)]
        except CannotCross as error:
            if isinstance(target, Proxy) and not target.acereason_is_global:
                raise TypeError(f"{error} is passed to an object that the program made up") from None
            raise
        answer = self._request(dict(zip(("do", "target", "args", "kwargs"), (action, *passed), strict=True)))
        if "raised" in answer:
            self.raised = self._decode(answer["raised"])
            if isinstance(self.raised, StopIteration) and action in self.surprising:
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
        """How an object that is no plain data crosses."""
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
            self._numbers[id(value)] = len(self._lent)
            self._lent.append(value)
        return self._numbers[id(value)]

    def _arguments_of(self, error: BaseException) -> Any:
        """As far as they can cross."""
        try:
            return wire.encode(list(error.args), self.refer)
        except (CannotCross, RecursionError):
            return [_text_of(error)]

    def _kept(self, answer: dict[str, Any]) -> Any:
        """An answer's value; the copy of an object's own list is the same each time, and goes back when it changed."""
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
        """What test code has done to lists that belong to objects over there."""
        shared, self._shared = self._shared, {}
        for number in list(shared):
            copy, before = shared.pop(number)
            data = wire.encode(copy, self.refer)
            if json.dumps(data) != before:
                self._request({"do": "replace", "target": {"yours": number}, "args": [data], "kwargs": {"dict": []}})
            if sys.getrefcount(copy) > 2:  # the name here, the argument
                self._shared[number] = copy, json.dumps(data)

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._send(json.dumps(request))
            while True:
                message: dict[str, Any] = json.loads(self._read.readline(_LONGEST_LINE))
                if "do" not in message:
                    self._take_notice(message)
                    return message
                self._send(self._answer(message))
        except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
            self.ended = True
            raise PeerEnded from error

    def _take_notice(self, answer: dict[str, Any]) -> None:
        """Of what the other side printed, and of its variables."""
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
        """Those that have changed since the other side was last told."""
        found = {}
        for name, known in self.watched.items():
            data = wire.encode(self._also["global"](name), self.refer)
            if (text := json.dumps(data)) != known:
                self.watched[name], found[name] = text, data
        return found

    def _answer(self, request: dict[str, Any]) -> str:
        try:
            return self._tell(self._done(request))
        except (Exception, SystemExit) as error:  # whatever was called for raises, the caller raises
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
        except Exception:  # its class lies about itself: its name is all that can be told
            return {"error": [{"known": "builtins:Exception"}, [type(error).__name__], type(error).__name__, -1]}

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        action, target = request["do"], self._decode(request["target"])
        args, kwargs = self._decode(request["args"]), self._decode(request["kwargs"])
        if action == "data":
            return {"value": wire.plain(target, self.refer)}
        if action == "replace":
            found = bool(change_in_place(target, *args))
            self._changes()  # it is known there
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
        """(place, number) of lists that the program goes on to hold: what becomes of them there, the test sees."""
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
        """(number, data) of the lists among them that have changed since this was last asked."""
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
    except Exception:  # a class of the program's
        return ""
