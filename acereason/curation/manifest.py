"""This module makes `manifest.json`: all inputs that decided a dataset, and the hashes of its files.

It holds no times, so that the same inputs give the same bytes.
"""

from pathlib import Path
from typing import Any

import datasets

from acereason import __version__
from acereason.curation.digests import plain
from acereason.curation.read import Opened
from acereason.curation.sources import file_hash
from acereason.curation.stages import Report


def manifest(
    folder: Path, config: dict[str, Any], opened: dict[str, list[Opened]], reports: dict[str, Report]
) -> dict[str, Any]:
    """Return the manifest as JSON has it.

    Args:
        folder: folder of the dataset.
        config: the full configuration.
        opened: {"sources" or "benchmarks": the opened sources}.
        reports: reports of the stages, in order.
    """
    files = sorted(path for path in (folder / "data").rglob("*.parquet"))
    return {
        "versions_of": {"acereason": __version__, "datasets": datasets.__version__},
        **{kind: {entry.name: described(entry) for entry in entries} for kind, entries in opened.items()},
        "stages": {name: plain(report) for name, report in reports.items()},
        "files": {str(path.relative_to(folder)): file_hash(path) for path in files},
        "config": plain(config),
    }


def described(entry: Opened) -> dict[str, Any]:
    """Return the entry of a source in the manifest."""
    source = entry.source
    return {
        "path": source.path,
        "config": source.config,
        "split": source.split,
        "task": source.task,
        "licence": source.licence,
        "rows": len(entry.rows),
        "fingerprint": entry.fingerprint,
    }
