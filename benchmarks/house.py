r"""python -m benchmarks.house: how far has a stranger to walk in this code? Counts, each beside its aim.

A room is a file or a package right under acereason/; an import under TYPE_CHECKING counts as an import; a reach is code
that takes module, data or callbacks from `trainer`, where they have no types that mypy checks (texts that name a key of
the YAML are none); the way to the loss is counted in a step of
conf/debug.yaml, from Lightning's call to the line of Eq. 1.
"""

import ast
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx

from benchmarks.report import Row, print_rows

PACKAGES = ("acereason", "callbacks")
CONFIG = "conf/rl/qwen2.5-math-7b.yaml"
_PARTS = ("datamodule", "lightning_module", "callbacks")
_TASK = re.compile(r"\btask (==|!=|in) ")
_COMMENT = re.compile(r"\s*#(?! ?(noqa|fmt|type:))")


def files() -> list[Path]:
    """Return the files of the library and of the callbacks."""
    return [path for package in PACKAGES for path in sorted(Path(package).rglob("*.py"))]


def measure() -> list[Row]:
    """Count all of it."""
    return [*rooms(), *lines(), Row("functions from Lightning's call to the loss", hops(), at_most=4)]


def rooms() -> list[Row]:
    """Count rooms, and what ties them: circles of imports and imports for types alone."""
    top = [path for path in Path("acereason").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    graph, typed = networkx.DiGraph(), 0
    for path in files():
        graph.add_edges_from((_module(path), name) for name in imports(path))
        typed += path.read_text().count("if TYPE_CHECKING:")
    circles = [found for found in networkx.strongly_connected_components(graph) if len(found) > 1]
    return [
        Row("rooms", len([path for path in top if path.name != "__init__.py"]), at_most=14),
        Row("circles of imports", len(circles), at_most=0),
        Row("files that import for types alone", typed, at_most=0),
    ]


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports."""
    return {name for name in imported(path) if name.split(".")[0] in PACKAGES}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            # why: `from acereason.processes import signals` names a module, `from signals import SIGNALS` does not
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if _is_module(name) else node.module for name in below]
        yield from names


def lines() -> list[Row]:
    """Count lines, comments, reaches and comparisons of tasks."""
    code = [line for path in files() for line in path.read_text().splitlines()]
    comments = sum(bool(_COMMENT.match(line)) for line in code)
    return [
        Row("lines", len(code)),
        Row("comments of their own", 100 * comments / len(code), "% of lines", at_least=3),
        Row("reaches through the trainer", sum(reaches(path) for path in files()), at_most=0),
        Row("comparisons of a task", sum(bool(_TASK.search(line)) for line in code), at_most=0),
        Row(f"lines of {CONFIG}", len(Path(CONFIG).read_text().splitlines()), at_most=95),
    ]


def reaches(path: Path) -> int:
    """Count a file's accesses to module, data or callbacks through a trainer, by attribute or by `getattr`."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    owners = [node.value for node in nodes if isinstance(node, ast.Attribute) and node.attr in _PARTS]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr"]
    owners += [call.args[0] for call in calls]
    return sum(_is_trainer(owner) for owner in owners)


def hops() -> int:
    """Count our functions on the stack between Lightning and the loss, in a first step of the debug run."""
    import run
    from acereason.models.head import PolicyLoss

    stacks, forward = [], PolicyLoss.forward

    def seen(*args: Any) -> Any:
        stacks.append([frame.filename for frame in traceback.extract_stack()[:-1]])
        return forward(*args)

    PolicyLoss.forward = staticmethod(seen)  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            run.main(
                [
                    "fit",
                    "--config=conf/debug.yaml",
                    "--trainer.max_steps=1",
                    f"--trainer.logger.init_args.save_dir={folder}",
                ]
            )
    finally:
        PolicyLoss.forward = forward  # type: ignore[method-assign]
    (path, *_) = stacks
    last = max(index for index, name in enumerate(path) if "/lightning/" in name)
    return 1 + sum(_is_ours(name) for name in path[last + 1 :])


def _is_trainer(node: ast.expr) -> bool:
    return ast.unparse(node).split(".")[-1] == "trainer"


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _is_module(name: str) -> bool:
    path = Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def _is_ours(filename: str) -> bool:
    return os.path.relpath(filename).split(os.sep)[0] in PACKAGES


if __name__ == "__main__":
    print_rows(measure())
