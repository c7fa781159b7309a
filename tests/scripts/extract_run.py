"""python tests/scripts/extract_run.py RUN_FOLDER FILE.json.gz: what the rules of health look at in a run, small."""

import gzip
import json
import sys
from pathlib import Path

from acereason.runs.health.watch import METRICS
from acereason.runs.report.reading import read_run


def main(folder: str, target: str) -> None:
    run = read_run(Path(folder), "run")
    tables = {name: dict(curve) for name, curve in run.curves.items() if name in METRICS}
    steps = [
        (step, span.name, {name: float(f"{table[step]:.4g}") for name, table in tables.items() if step in table})
        for span in run.spans()
        for step in range(span.first, span.last + 1)
    ]
    Path(target).parent.mkdir(exist_ok=True)
    Path(target).write_bytes(gzip.compress(json.dumps(steps).encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
