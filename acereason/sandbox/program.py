"""Run a program in its own process, once that is confined. Nothing here knows an expected output.

Modes: `script` runs the program as Python runs a file; `call` evaluates one expression in its namespace and puts the
value on fd 3. Those that serve test code are in `tested.py`: only some programs need what it imports.
"""

import ast
import atexit
import contextlib
import errno
import io
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable
from functools import cache, partial
from types import TracebackType
from typing import Any

from acereason.sandbox import nodes, wire
from acereason.sandbox.prelude import DIGITS, RECURSION_LIMIT
from acereason.sandbox.settings import BAD_SYNTAX, OUT_OF_MEMORY, RAISED

CHANNEL = 3


class UnfinishedProgram(SystemExit):
    """The program ended itself before it could be asked."""


def run(mode: Callable[[dict[str, Any], dict[str, Any]], None], job: dict[str, Any], names: dict[str, Any]) -> None:
    """Run a job and end this process with a code that says how it went.

    Args:
        mode: what to do with them.
        job: `mode` and `program`; `setup` (run before it); for `call`,
            `function` and its `arguments`, or an `expression` that begins with this function.
        names: the prelude.
    """
    # why: taken now, since the program may replace it
    leave = os._exit
    _reset_interpreter()
    code = _outcome(lambda: mode(job, names))
    last = _outcome(_shut_down)
    leave(code or last)


def _script(job: dict[str, Any], names: dict[str, Any]) -> None:
    names.update(__name__="__main__", __file__="solution.py")
    _execute(job["program"], names)


def _call(job: dict[str, Any], names: dict[str, Any]) -> None:
    # why: a function that the program merely found ready must not pass for its own
    preludes = names.get(job["function"])
    load(job, names)
    function = _function(names, job["function"])
    if function is None or function is preludes:
        raise NameError(f"the program defines no {job['function']}")
    if "expression" in job:
        value = eval(compile(job["expression"], "<test>", "eval"), names)
    else:
        value = nodes.call(function, wire.decode(job["arguments"]))
    send(wire.dumps(value))


def _function(names: dict[str, Any], name: str) -> Callable[..., Any] | None:
    """Return the function to test: `Solution().name` where the program has that class, as on LeetCode, else `name`."""
    solution = names.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    return names.get(name)


MODES = {"script": partial(run, _script), "call": partial(run, _call)}
"""Name -> function of a job and the prelude, which ends this process."""


def load(job: dict[str, Any], names: dict[str, Any]) -> set[str]:
    """Fill the namespace with the program's definitions, as a module called `solution`; return the setup's classes."""
    names.update(__name__="solution", __file__="solution.py")
    # why: an empty one, which most have, defines nothing: the names need not be looked through
    classes = _run_setup(job["setup"], names) if job.get("setup") else set[str]()
    try:
        _execute(job["program"], names)
    except SystemExit as error:
        raise UnfinishedProgram("the program ended itself before it could be tested") from error
    return classes


def _run_setup(setup: str, names: dict[str, Any]) -> set[str]:
    """Run the setup, and return the names of the classes that it defines."""
    before = set(names)
    # why: one by one, so that an import that fails does not take the other statements along
    for statement in ast.parse(setup).body:
        try:
            exec(compile(ast.Module([statement], []), "setup.py", "exec"), names)
        except ImportError:
            # why: only the tests may need it (MBPP+'s test_imports);
            # a program that needs it fails where it uses it
            continue
    return {name for name in names.keys() - before if isinstance(names[name], type)}


def _execute(program: str, scope: dict[str, Any]) -> None:
    # why: tracebacks and inspect look for the program's lines, and no file holds them
    linecache.cache["solution.py"] = (len(program), None, program.splitlines(keepends=True), "solution.py")
    try:
        code = compile(program, "solution.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        traceback.print_exception(error, limit=0)
        sys.stderr.flush()
        os._exit(BAD_SYNTAX)
    exec(code, scope)


def send(text: str) -> None:
    """Write text to the channel."""
    data = memoryview(text.encode())
    # why: a pipe may take only a part of the data at a time
    while data:
        data = data[os.write(CHANNEL, data) :]


def _reset_interpreter() -> None:
    for name, stream in zip(("stdin", "stdout", "stderr"), _streams(), strict=True):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    # why: the zygote's fork leaves out what modules do after one
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.set_int_max_str_digits(DIGITS)
    sys.argv = ["solution.py"]


@cache
def _streams() -> tuple[io.TextIOWrapper, io.TextIOWrapper, io.TextIOWrapper]:
    return (
        io.TextIOWrapper(open(0, "rb", closefd=False), "utf-8", "surrogateescape"),
        io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8"),
        io.TextIOWrapper(open(2, "wb", closefd=False), "utf-8", "backslashreplace", write_through=True),
    )


def prepare() -> None:
    """Make every program's streams, once, in the zygote: in the program's own process it would take longer."""
    kept = [os.dup(number) for number in range(3)]
    # why: a stream remembers what its descriptor can do, so each is made on one of a program's kind
    stdin, (read, write) = os.memfd_create("input"), os.pipe()
    for number, fd in enumerate((stdin, write, write)):
        os.dup2(fd, number)
    _streams()
    for number, fd in enumerate(kept):
        os.dup2(fd, number)
    for fd in (*kept, stdin, read, write):
        os.close(fd)


def _outcome(action: Callable[[], None]) -> int:
    """Run an action and return the exit code that Python would give, but codes of ours for exceptions."""
    try:
        action()
    except UnfinishedProgram as error:
        print(error, file=sys.stderr)
        return RAISED
    except SystemExit as error:
        return _exit_code(error)
    except MemoryError:
        # why: nothing that needs memory works now
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return OUT_OF_MEMORY
        traceback.print_exception(type(error), error, _from_program(error.__traceback__), limit=-8)
        return RAISED
    return 0


def _from_program(frames: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the program."""
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
    """End as the interpreter does: wait for threads, run exit handlers, flush."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # why here, and whatever it raises: `logging`, where it is loaded, flushes it as the last of the exit functions
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    sys.stdout.flush()
