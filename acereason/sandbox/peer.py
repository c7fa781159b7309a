"""Connect a program and its examiner: each owns objects, and may ask the other one to act on its objects.

Questions nest: while one side waits for an answer, it answers the other's questions (a program calls a function of the
tests that it was given). The examiner's end is guarded: a program may only use objects that a test passed to it,
as functions and by what their class defines, and never reaches anything around them.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from acereason.sandbox import wire
from acereason.sandbox.actions import ACTIONS
from acereason.sandbox.foreign import Proxy
from acereason.sandbox.guard import check
from acereason.sandbox.inplace import change_in_place
from acereason.sandbox.references import MUTABLE, CannotCross, References

_LONGEST_LINE = 64 * 2**20
"""Bytes of the longest message that is read."""
_LENDING = {"getattr", "getitem", "global"}
"""Actions that answer with a part of an object: changes to such a list on one side show on the other."""
_MOST_RETAINED, _LONGEST_RETAINED = 16, 2_000
"""Most lists that are followed, and characters of each one's JSON: looking at them costs time after every action."""


class PeerEnded(BaseException):
    """The other process is gone. A BaseException, so that no test code catches it by accident."""


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
        self.references = References(self)
        self._shared: dict[int, tuple[Any, str]] = {}
        """Number of a list of the other side's -> its copy here, and that copy's JSON as the other side knows it."""
        self._followed: dict[int | str, str] = {}
        """Number of a list, or name of a global variable, whose changes the other side follows -> its known JSON."""
        self.surprising: set[str] = set()
        """Actions of which a StopIteration would end a loop of the tests that has nothing to do with it."""
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
            passed = [self.references.encode(value) for value in (target, list(args), kwargs)]
        except CannotCross as error:
            if isinstance(target, Proxy) and not target.acereason_is_global:
                # why: the program's doing: an error would blame
                # the test, and a program must not bring about one
                raise TypeError(f"{error} is passed to an object that the program made up") from None
            raise
        answer = self._request({"do": action, **dict(zip(("target", "args", "kwargs"), passed, strict=True))})
        if "raised" in answer:
            self.raised = self.references.decode(answer["raised"])
            if isinstance(self.raised, StopIteration) and action in self.surprising:
                # why: it would end a loop of the test's without a word, and skip the assertions that follow
                raise RuntimeError("the program raised StopIteration") from self.raised
            raise self.raised
        given = [*args, *kwargs.values()]
        for value, changed in zip(given, self.references.decode(answer.get("args", [])), strict=False):
            change_in_place(value, changed)
        for place, number in answer.get("retained", []):
            if type(given[place]) in MUTABLE:
                self._share(number, given[place])
        return self._kept(answer)

    def serve(self) -> None:
        """Answer until the other end hangs up."""
        while line := self._read.readline():
            self._send(self._answer(json.loads(line)))

    def watch(self, names: list[str]) -> None:
        """Tell the other side from now on when one of these variables of ours changes."""
        self._followed.update(dict.fromkeys(names, ""))

    def _kept(self, answer: dict[str, Any]) -> Any:
        """Return an answer's value; an object's own list has one copy here, which goes back when it has changed."""
        value = self.references.decode(answer["value"])
        if "shared" not in answer:
            return value
        copy = self._shared[answer["shared"]][0] if answer["shared"] in self._shared else value
        copy = change_in_place(copy, value)
        self._share(answer["shared"], copy)
        return copy

    def _share(self, number: int, copy: Any) -> None:
        self._shared[number] = copy, json.dumps(self.references.encode(copy))

    def _write_back(self) -> None:
        """Send back the changes that test code has made to lists which belong to objects over there."""
        # why: emptied first: while a request waits, it answers questions that lead here again
        shared, self._shared = self._shared, {}
        for number in list(shared):
            copy, before = shared.pop(number)
            data = self.references.encode(copy)
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
        for key, data in answer.get("changed", []):
            if isinstance(key, str):
                self.changed(key, self.references.decode(data))
            elif key in self._shared:
                self._share(key, change_in_place(self._shared[key][0], self.references.decode(data)))

    def _answer(self, request: dict[str, Any]) -> str:
        try:
            return self._tell(self._done(request))
        # why: the exception belongs to the caller, which is on the other side
        except (Exception, SystemExit) as error:
            return self._tell({"raised": self.references.encode_error(error)})

    def _tell(self, answer: dict[str, Any]) -> str:
        if printed := self.printed():
            answer["printed"] = printed
        if changed := self._changes():
            answer["changed"] = changed
        return json.dumps(answer)

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        decode, encode = self.references.decode, self.references.encode
        action, target = request["do"], decode(request["target"])
        args, kwargs = decode(request["args"]), decode(request["kwargs"])
        if action == "data":
            return {"value": wire.plain(target, self.references.refer)}
        if action == "replace":
            return {"value": bool(change_in_place(target, *args))}
        if action in self._also:
            value = self._also[action](*args, **kwargs)
        else:
            if self.guarded:
                check(request, target, args)
            value = ACTIONS[action](target, *args, **kwargs)
        self._write_back()
        answer = {"value": encode(value)}
        if action in _LENDING and type(value) in MUTABLE:
            answer["shared"] = self.references.lend(value)
        passed = [*args, *kwargs.values()]
        if not self.guarded and (retained := self._retain(passed, value)):
            answer["retained"] = retained
        after = encode(passed)
        return answer if after == request["args"] else {**answer, "args": after}

    def _retain(self, passed: list[Any], value: Any) -> list[tuple[int, int]]:
        """Return (place, number) of lists that the program goes on to hold: the test must see their later changes."""
        retained = []
        for place in range(len(passed)):
            known = 3 + (passed[place] is value)  # the list here, that of the caller, the argument
            if type(passed[place]) in MUTABLE and sys.getrefcount(passed[place]) > known:
                data = json.dumps(self.references.encode(passed[place]))
                lists = sum(isinstance(key, int) for key in self._followed)
                if len(data) <= _LONGEST_RETAINED and lists < _MOST_RETAINED:
                    number = self.references.lend(passed[place])
                    self._followed[number] = data
                    retained.append((place, number))
        return retained

    def _changes(self) -> list[tuple[int | str, Any]]:
        """Return (number or name, data) of what the other side follows and has changed since the last call."""
        changes: list[tuple[int | str, Any]] = []
        for key, before in list(self._followed.items()):
            value = self.references.lent[key] if isinstance(key, int) else self._also["global"](key)
            data = self.references.encode(value)
            if (text := json.dumps(data)) != before:
                self._followed[key] = text
                changes.append((key, data))
        return changes
