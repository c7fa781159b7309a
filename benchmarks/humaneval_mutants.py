"""How much HumanEval's tests notice: every canonical solution must pass, every broken one must fail.

    python benchmarks/humaneval_mutants.py HumanEval.jsonl.gz [--workers 2]

Broken means: the body replaced by `return None`, or one operator of the canonical solution flipped (each in turn).
Mutants that pass are listed: their tests are weak, or the mutant computes the same.
"""

import argparse
import ast
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify

_FLIPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt,
    ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.UAdd: ast.USub, ast.USub: ast.UAdd, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_SETTINGS = CodeSettings(seconds=3)


def mutants(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what was changed, program) for each mutant of a row's solution, the original first."""
    source = row["prompt"] + row["canonical_solution"]
    yield "canonical", source
    yield "return None", row["prompt"] + "    return None\n"
    count = sum(1 for _ in _operators(_solution(ast.parse(source), row)))
    for index in range(count):
        tree = ast.parse(source)
        holder, name, place = list(_operators(_solution(tree, row)))[index]
        told = _flip(holder, name, place)
        yield told, ast.unparse(tree)


def judge(task: tuple[dict[str, Any], str]) -> tuple[str, str]:
    """(status, note) of a program on a row's tests."""
    row, program = task
    verdict = verify(f"```python\n{program}\n```", parse_tests(row), _SETTINGS)
    return verdict.status, str(verdict.detail.get("note", verdict.detail.get("error", "")))


def _solution(tree: ast.Module, row: dict[str, Any]) -> ast.FunctionDef:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]][-1]


def _operators(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None]]:
    """(node, field, place in the field) of each operator that can be flipped."""
    for node in ast.walk(function):
        if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp, ast.UnaryOp)) and type(node.op) in _FLIPS:
            yield node, "op", None
        if isinstance(node, ast.Compare):
            yield from ((node, "ops", place) for place, op in enumerate(node.ops) if type(op) in _FLIPS)


def _flip(holder: Any, name: str, place: int | None) -> str:
    before = ast.unparse(holder)
    if place is None:
        setattr(holder, name, _FLIPS[type(getattr(holder, name))]())
    else:
        getattr(holder, name)[place] = _FLIPS[type(getattr(holder, name)[place])]()
    return f"line {holder.lineno}: {before}  ->  {ast.unparse(holder)}"


def main() -> None:
    """Print the counts and the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with gzip.open(arguments.path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    tasks = [(row, *mutant) for row in rows for mutant in mutants(row)]
    with ProcessPoolExecutor(arguments.workers) as pool:
        found = list(pool.map(judge, [(row, program) for row, _, program in tasks], chunksize=8))
    counts: dict[tuple[str, str], int] = {}
    for (row, change, _), (status, note) in zip(tasks, found, strict=True):
        kind = change if change in ("canonical", "return None") else "flipped"
        counts[kind, status] = counts.get((kind, status), 0) + 1
        if status != ("correct" if kind == "canonical" else "wrong"):
            print(f"{row['task_id']}: {change}: {status} {note}")
    for (kind, status), count in sorted(counts.items()):
        print(f"{kind:12} {status:8} {count}")


if __name__ == "__main__":
    main()
