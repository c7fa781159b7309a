"""What happens in a program's own process, once it is confined. Nothing here knows an expected output.

Modes: `script` runs the program as Python runs a file; `call` evaluates one expression in its namespace and puts the
value on fd 3; `serve` answers the examiner's questions on fd 3 until it hangs up.
"""

import atexit
import errno
import io
import json
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from acereason.rewards.sandbox import wire
from acereason.rewards.sandbox.prelude import DIGITS, RECURSION_LIMIT
from acereason.rewards.sandbox.settings import BAD_SYNTAX, OUT_OF_MEMORY, RAISED

CHANNEL = 3
_ACTIONS: dict[str, Callable[..., Any]] = {
    "attribute": getattr, "call": lambda function, *args, **kwargs: function(*args, **kwargs), "length": len,
    "item": lambda value, key: value[key], "list": list, "text": str, "repr": repr, "truth": bool,
    "contains": lambda value, item: item in value, "instance": lambda kind, value: isinstance(value, kind),
}  # fmt: skip


class UnfinishedProgram(SystemExit):
    """The program ended itself before it could be asked."""


def run(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Run a job and end this process with a code that says how it went.

    Args:
        job: `mode` and `program`; `setup` (run before it); for `call`,
            `function` and its `arguments`, or an `expression` that begins with this function.
        names: the prelude.
    """
    leave = os._exit  # the program may replace it
    _reset_interpreter()
    mode: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
        "script": _script,
        "call": _call,
        "serve": _serve,
    }
    code = _outcome(lambda: mode[job["mode"]](job, names))
    last = _outcome(_shut_down)
    leave(code or last)


def _script(job: dict[str, Any], names: dict[str, Any]) -> None:
    names.update(__name__="__main__", __file__="solution.py")
    _execute(job["program"], names)


def _call(job: dict[str, Any], names: dict[str, Any]) -> None:
    preludes = names.get(job["function"])
    _load(job, names)
    function = _function(names, job["function"])
    if function is None or function is preludes:
        raise NameError(f"the program defines no {job['function']}")
    if "expression" in job:
        value = eval(compile(job["expression"], "<test>", "eval"), names)
    else:
        value = function(*wire.decode(job["arguments"]))
    _send(wire.dumps(value))


def _function(names: dict[str, Any], name: str) -> Callable[..., Any] | None:
    """The function to test: `Solution().name` where the program has that class, as on LeetCode, else `name`."""
    solution = names.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    return names.get(name)


def _serve(job: dict[str, Any], names: dict[str, Any]) -> None:
    before = dict(names)
    _load(job, names)
    objects: list[Any] = []

    def refer(value: Any) -> int:
        objects.append(value)
        return len(objects) - 1

    for line in _lines():
        request = json.loads(line)
        _send(_answer(request, names, before, refer, objects.__getitem__) + "\n")


def _answer(
    request: dict[str, Any], scope: dict[str, Any], before: dict[str, Any], refer: Callable, resolve: Callable
) -> str:
    try:
        if request["do"] == "scope":
            own = [name for name in scope if name not in before or scope[name] is not before[name]]
            return json.dumps({"value": [name for name in own if not name.startswith("__")]})
        if request["do"] == "global":
            return json.dumps({"value": wire.encode(scope[request["name"]], refer)})
        target, args = wire.decode(request["target"], resolve), wire.decode(request["args"], resolve)
        kwargs = wire.decode(request["kwargs"], resolve)
        value = wire.encode(_ACTIONS[request["do"]](target, *args, **kwargs), refer)
        return json.dumps({"value": value, "args": wire.encode([*args, *kwargs.values()], refer)})
    except (Exception, SystemExit) as error:
        return json.dumps({"raised": type(error).__name__, "text": str(error)[:2000]})


def _load(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Fill the namespace with what the program defines, as a module called `solution`."""
    names.update(__name__="solution", __file__="solution.py")
    try:
        exec(compile(job.get("setup", ""), "setup.py", "exec"), names)
        _execute(job["program"], names)
    except SystemExit as error:
        raise UnfinishedProgram("the program ended itself before it could be tested") from error


def _execute(program: str, scope: dict[str, Any]) -> None:
    linecache.cache["solution.py"] = (len(program), None, program.splitlines(keepends=True), "solution.py")
    try:
        code = compile(program, "solution.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        traceback.print_exception(error, limit=0)
        sys.stderr.flush()
        os._exit(BAD_SYNTAX)
    exec(code, scope)


def _send(text: str) -> None:
    data = memoryview(text.encode())
    while data:
        data = data[os.write(CHANNEL, data) :]


def _lines() -> Iterator[bytes]:
    with open(CHANNEL, "rb", closefd=False) as channel:
        yield from channel


def _reset_interpreter() -> None:
    for name, stream in zip(("stdin", "stdout", "stderr"), _streams(), strict=True):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.set_int_max_str_digits(DIGITS)
    sys.argv = ["solution.py"]


def _streams() -> tuple[io.TextIOWrapper, io.TextIOWrapper, io.TextIOWrapper]:
    return (
        io.TextIOWrapper(open(0, "rb", closefd=False), "utf-8", "surrogateescape"),
        io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8"),
        io.TextIOWrapper(open(2, "wb", closefd=False), "utf-8", "backslashreplace", write_through=True),
    )


def _outcome(action: Callable[[], None]) -> int:
    """Exit code of an action, as of a Python process; codes of ours tell an exception from an exit."""
    try:
        action()
    except UnfinishedProgram as error:
        print(error, file=sys.stderr)
        return RAISED
    except SystemExit as error:
        return _exit_code(error)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # nothing that needs memory works now
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return OUT_OF_MEMORY
        traceback.print_exception(type(error), error, _from_program(error.__traceback__), limit=-8)
        return RAISED
    return 0


def _from_program(frames: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the program."""
    first = frames
    while first and first.tb_frame.f_code.co_filename != "solution.py":
        first = first.tb_next
    return first or frames


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _shut_down() -> None:
    """As the interpreter does at the end: wait for threads, run exit handlers, flush."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
