"""Small curations: sources as files, one call, and what came out."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets import load_dataset

import run


def write_rows(path: Path, rows: list[dict | str]) -> dict:
    """A source of JSON lines, as the YAML names it; a text is a problem without an answer."""
    rows = [{"problem": row, "answer": ""} if isinstance(row, str) else row for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": str(path), "fields": "math"}


def write_shards(folder: Path, rows: list[dict], size: int = 3) -> str:
    """Responses as `predict` leaves them; a row has id and response, and may have the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"sample": 0, "status": "correct", "tokens": 100, "finish_reason": "stop"}
    schema = pa.schema(
        {"id": "string", "sample": "int64", "response": "string", "status": "string", "tokens": "int64"}
        | {"finish_reason": "string"}
    )
    for start in range(0, len(rows), size):
        table = pa.Table.from_pylist([defaults | row for row in rows[start : start + size]], schema)
        pq.write_table(table, folder / f"shard-{start:04}.parquet")
    return str(folder)


def write_config(folder: Path, **config) -> Path:
    """The YAML of a curation into folder/out by one process."""
    settings = {"output": str(folder / "out"), "workers": 1, "rewards": {"workers": 1}} | config
    folder.mkdir(exist_ok=True)
    path = folder / "curate.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def curated(folder: Path, **config) -> Path:
    """Run it; the dataset's folder."""
    path = write_config(folder, **config)
    run.main(["curate", f"--config={path}"])
    return Path(yaml.safe_load(path.read_text())["output"])


def dropped(output: Path, stage: str) -> dict[str, tuple[str, dict]]:
    """{prompt id: (reason, evidence)} of a stage."""
    (folder,) = output.glob(f"stages/*-{stage}")
    ids = [i for path in sorted(output.glob("stages/1-read/prompts-*")) for i in pq.read_table(path)["id"].to_pylist()]
    rows = pq.read_table(folder / "dropped.parquet").to_pylist()
    return {ids[row["number"]]: (row["reason"], json.loads(row["evidence"])) for row in rows}


def rows_of(output: Path, version: str) -> list[dict]:
    """A version as `datasets` loads it."""
    return load_dataset(str(output), version, split="train", cache_dir=str(output.parent / "cache")).to_list()


def ids_of(output: Path, version: str = "all") -> list[str]:
    """Prompt ids of a version, sorted."""
    return sorted(row["id"] for row in rows_of(output, version))


def fingerprint(output: Path) -> dict[str, str]:
    """{file: hash} of everything but the clock."""
    files = [path for path in sorted(output.rglob("*")) if path.is_file() and path.name != "seconds.json"]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
