"""Find test code that can only run in the program's own process, as far as its text tells.

Objects and functions cross between the two processes; changes that a test makes to its process or to files do not.
"""

import ast
import builtins
from collections.abc import Iterator

from acereason.rewards.code.asserts import root

# why: a replacement of these reaches the program, whose globals, input and output pass the examiner
_WITHIN_REACH = ("solution.", "builtins.input", "sys.stdin", "sys.stdout", "builtins.print")
_ELSEWHERE = "replaces what the program's process has of its own"
_FILES = ("tempfile.", "subprocess.", "os.system", "os.remove", "os.mkdir", "os.makedirs", "shutil.")
_FIXTURES_OF_FILES = {"tmp_path", "tmp_path_factory", "tmpdir", "tmpdir_factory"}
_NO_FILES = "makes or reads a file, and the program's process has none of the test's"
_KNOWN_BASES = {*vars(builtins), "TestCase", "unittest", "Enum", "NamedTuple"}


def crossing(source: str) -> str | None:
    """Return why this code can't run outside the program's process, as far as its text tells, or None.

    Raises:
        SyntaxError: the source is no Python.
    """
    nodes = list(ast.walk(ast.parse(source)))
    imported = {name for node in nodes for name in _imported(node)}
    known = _KNOWN_BASES | imported | {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return next((reason for node in nodes if (reason := _reason(node, known, imported))), None)


def _reason(node: ast.AST, known: set[str], imported: set[str]) -> str:
    if isinstance(node, ast.ClassDef) and any(root(base) not in known for base in node.bases):
        return f"class {node.name} builds on a class of the program's"
    if isinstance(node, ast.arg) and node.arg in _FIXTURES_OF_FILES:
        return f"`{node.arg}` {_NO_FILES}"
    reason = _of_call(node, imported) if isinstance(node, ast.Call) else ""
    return f"`{ast.unparse(node)[:80]}` {reason}" if reason else ""


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement imports from anywhere but the program."""
    if isinstance(node, ast.Import) or isinstance(node, ast.ImportFrom) and node.module != "solution":
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names if alias.name != "solution")


def _of_call(call: ast.Call, imported: set[str]) -> str:
    """Return which change that a call makes to the test's process the program would have to see; empty for none."""
    name, first = ast.unparse(call.func), call.args[0] if call.args else None
    if name.endswith(("patch", "monkeypatch.setattr", "patch.object", "patch.dict")) and first:
        # why: an object that isn't imported is the program's
        # or the test's own: a replacement in it takes effect
        return "" if _target(call).startswith(_WITHIN_REACH) or root(first) not in {*imported, ""} else _ELSEWHERE
    if name.startswith("monkeypatch.") and name != "monkeypatch.setattr":
        return _ELSEWHERE
    return _NO_FILES if name.startswith(_FILES) or name == "open" else ""


def _target(call: ast.Call) -> str:
    """Return the name that a `patch` or `setattr` replaces, as `module.name`."""
    texts = [node.value if isinstance(node, ast.Constant) else ast.unparse(node) for node in call.args[:2]]
    return ".".join(text for text in texts if isinstance(text, str))
