"""Run a program in its own process, once that is confined. Nothing here knows an expected output.

Modes: `script` runs the program as Python runs a file; `call` evaluates one expression in its namespace and puts the
value on fd 3; `serve` answers the examiner's questions on fd 3 until it hangs up; `inside` runs test code in the
program's own namespace, for tests that can't leave it.
"""

import ast
import atexit
import builtins
import errno
import io
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from acereason.sandbox import frameworks, nodes, serving, wire
from acereason.sandbox.peer import Peer
from acereason.sandbox.prelude import DIGITS, RECURSION_LIMIT
from acereason.sandbox.settings import BAD_SYNTAX, OUT_OF_MEMORY, RAISED

CHANNEL = 3


class UnfinishedProgram(SystemExit):
    """The program ended itself before it could be asked."""


def run(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Run a job and end this process with a code that says how it went.

    Args:
        job: `mode` and `program`; `setup` (run before it); for `call`,
            `function` and its `arguments`, or an `expression` that begins with this function.
        names: the prelude.
    """
    # why: taken now, since the program may replace it
    leave = os._exit
    _reset_interpreter()
    mode: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
        "script": _script,
        "call": _call,
        "serve": _serve,
        "inside": _inside,
    }
    code = _outcome(lambda: mode[job["mode"]](job, names))
    last = _outcome(_shut_down)
    leave(code or last)


def _script(job: dict[str, Any], names: dict[str, Any]) -> None:
    names.update(__name__="__main__", __file__="solution.py")
    _execute(job["program"], names)


def _call(job: dict[str, Any], names: dict[str, Any]) -> None:
    # why: a function that the program merely found ready must not pass for its own
    preludes = names.get(job["function"])
    _load(job, names)
    function = _function(names, job["function"])
    if function is None or function is preludes:
        raise NameError(f"the program defines no {job['function']}")
    if "expression" in job:
        value = eval(compile(job["expression"], "<test>", "eval"), names)
    else:
        value = nodes.call(function, wire.decode(job["arguments"]))
    _send(wire.dumps(value))


def _function(names: dict[str, Any], name: str) -> Callable[..., Any] | None:
    """Return the function to test: `Solution().name` where the program has that class, as on LeetCode, else `name`."""
    solution = names.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    return names.get(name)


def _inside(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Run program and tests together, where the program may forge any outcome."""
    _load(job, names)
    solution, module = ModuleType("solution"), ModuleType("tests")
    vars(solution).update(names)
    sys.modules["solution"] = solution
    vars(module).update(names)
    frameworks.run(ast.parse(job["tests"]), module, job["pytest"], _is_the_programs)
    print(job["last"])


def _is_the_programs(error: BaseException) -> bool:
    return any(frame.filename == "solution.py" for frame in traceback.extract_tb(error.__traceback__))


def _serve(job: dict[str, Any], names: dict[str, Any]) -> None:
    before = dict(names)
    also = serving.actions(names, before)
    channel = open(CHANNEL, "rb", closefd=False)  # noqa: SIM115  for as long as this process lives
    peer = Peer(channel, lambda text: _send(text + "\n"), guarded=False, also=also)
    also["watch"] = peer.watch
    printed = sys.stdout = serving.Printed()
    peer.printed, sys.stdin = printed.take, serving.Asked(peer)
    builtins.input = lambda text="": peer.ask("input", None, str(text))
    # why: as known before the program, or it would count as a function of the program's
    before["input"] = names["input"] = builtins.input
    classes = _load(job, names)
    peer.references.common = lambda name: names.get(name) if name in classes else None
    peer.serve()


def _load(job: dict[str, Any], names: dict[str, Any]) -> set[str]:
    """Fill the namespace with the program's definitions, as a module called `solution`; return the setup's classes."""
    before = set(names)
    _run_setup(job, names)
    classes = {name for name in names.keys() - before if isinstance(names[name], type)}
    try:
        _execute(job["program"], names)
    except SystemExit as error:
        raise UnfinishedProgram("the program ended itself before it could be tested") from error
    return classes


def _run_setup(job: dict[str, Any], names: dict[str, Any]) -> None:
    names.update(__name__="solution", __file__="solution.py")
    # why: one by one, so that an import that fails does not take the other statements along
    for statement in ast.parse(job.get("setup", "")).body:
        try:
            exec(compile(ast.Module([statement], []), "setup.py", "exec"), names)
        except ImportError:
            # why: only the tests may need it (MBPP+'s test_imports);
            # a program that needs it fails where it uses it
            continue


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


def _send(text: str) -> None:
    data = memoryview(text.encode())
    # why: a pipe may take only a part of the data at a time
    while data:
        data = data[os.write(CHANNEL, data) :]


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
    sys.stdout.flush()
