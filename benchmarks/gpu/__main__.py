"""What this project does on a GPU, in one command: facts, equality, speed, memory, and whole runs.

    python -m benchmarks.gpu [--device cpu] [--output FILE.json] [--parts ...] [--model FOLDER] [--minutes 8]

For one H100 or H200, or a GPU like them, offline; with `--device cpu` the same parts at toy size, to see that they run.
Each part is a process of its own with a limit of time; FILE is written anew after each. Exit status 1 if a part failed,
or was left out for want of time; a part that this machine can't do is told, with the reason, and is no failure.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.curve import lacking
from benchmarks.gpu.parts import PARTS
from benchmarks.gpu.running import Outcome, Part, run_part
from benchmarks.gpu.settings import MINUTES, Settings
from benchmarks.gpu.telling import head_lines, summary, told, write
from benchmarks.gpu.verbs import context_of

NO_GPU = "error: --device: torch sees no GPU{}; --device cpu runs the parts at toy size"


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--output", type=Path, default=Path("runs/gpu.json"), help="file for all that was found")
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS], metavar="PART", help=_names())
    parser.add_argument("--model", type=Path, help="folder that docs.real_model made, for the learning curve")
    parser.add_argument("--minutes", type=float, help="that all parts may take together; none: 8, and 60 on a CPU")
    options = parser.parse_args(arguments)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # nothing is fetched
    mistake = lacking(options.model) if options.model else ""
    if mistake := mistake or (no_gpu() if options.device == "cuda" else ""):
        print(mistake, file=sys.stderr)
        return 2
    settings = Settings(options.device, str(options.model) if options.model else None)
    parts = [part for part in PARTS if not options.parts or part.name in options.parts]
    outcomes = run_all(parts, settings, 60 * (options.minutes or MINUTES[options.device]), options.output)
    print(summary(outcomes, options.output))
    return int(any(outcome.status in ("failed", "skipped") for outcome in outcomes))


def run_all(parts: list[Part], settings: Settings, seconds: float, output: Path) -> list[Outcome]:
    """The parts one after the other, within so many seconds in all."""
    started, context = time.monotonic(), context_of(settings.device)
    print("\n".join(head_lines(settings)), flush=True)
    outcomes: list[Outcome] = []
    for part in parts:
        print(f"{part.name} ...", file=sys.stderr, flush=True)
        outcome = run_part(part, settings, seconds - (time.monotonic() - started), context)
        settings.earlier[part.name] = outcome.figures()
        outcomes.append(outcome)
        print(told(outcome), flush=True)
        write(outcomes, settings, time.monotonic() - started, output)
    return outcomes


def no_gpu() -> str:
    """An error in a line; empty where there is a GPU."""
    import torch  # here, not above: processes that are spawned import this file again

    if torch.cuda.is_available():
        return ""
    return NO_GPU.format(f", and is built for CUDA {torch.version.cuda}" if torch.version.cuda else " (a CPU build)")


def _names() -> str:
    return f"of {', '.join(part.name for part in PARTS)}; none: all of them"


def _end(number: int, _: Any) -> None:
    sys.exit(128 + number)  # by which the part's processes are ended


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
