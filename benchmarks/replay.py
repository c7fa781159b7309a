r"""python -m benchmarks.replay FOLDER: ground truths as responses, through the whole of `test`; all must be correct.

FOLDER has math_train.json, math_500.json, aime_2024.json and human_eval.jsonl.gz, whose canonical solutions are the
responses. What is not judged correct is listed.
"""

import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

import run
from benchmarks.report import Row, print_rows

_BENCHMARKS = {
    "math_train": {"path": "math_train.json", "fields": "math"},
    "math500": {"path": "math_500.json", "fields": "math500"},
    "aime24": {"path": "aime_2024.json", "fields": "aime"},
    "humaneval": {"path": "human_eval.jsonl.gz", "fields": "humaneval", "task": "code"},
}
_MODEL = {"vocab_size": 260, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
_MODEL |= {"num_attention_heads": 1, "num_key_value_heads": 1, "max_position_embeddings": 40_000}
"""It is not asked; its tokenizer counts."""


def measure(data: Path) -> list[Row]:
    """The share of correct ones of each benchmark; one row for each problem that is not."""
    with tempfile.TemporaryDirectory() as folder:
        judge(data, Path(folder))
        results = json.loads((Path(folder) / "results.json").read_text())["benchmarks"]
        failed = [row for path in Path(folder).glob("samples/*.parquet") for row in _failed(path)]
    asked = [
        Row(f"{name}: {len(found['problems'])} problems", found["avg"], "avg@1", at_least=1)
        for name, found in results.items()
    ]
    return [*asked, *(Row(f"{row['benchmark']}/{row['id']}: {row['detail']}", 0, row["status"]) for row in failed)]


def judge(data: Path, folder: Path) -> None:
    """A run of `test` on all of them."""
    sources = {name: entry | {"path": str(data / entry["path"])} for name, entry in _BENCHMARKS.items()}
    responses = folder / "responses.jsonl"
    responses.write_text("".join(json.dumps(row | {"sample": 0}) + "\n" for row in gold(data)))
    model = {"pretrained": None, "backbone": {"config": _MODEL, "tokenizer": "bytes"}}
    replay = {"class_path": "ReplayEngine", "init_args": {"responses": str(responses)}}
    benchmarks = {name: {"source": source, "n": 1} for name, source in sources.items()}
    config = {
        "trainer": {"default_root_dir": str(folder)},
        "model": {"init_args": model | {"engine": replay, "rewards": {"code": {"forgeable": "allow"}}}},
        "data": {"init_args": {"benchmarks": benchmarks, "bad_rows": "exclude"}},
    }
    (folder / "replay.yaml").write_text(yaml.safe_dump(config))
    run.main(["test", "--config=conf/eval/local.yaml", f"--config={folder / 'replay.yaml'}"])


def gold(data: Path) -> Iterator[dict[str, Any]]:
    """Responses of all benchmarks."""
    for name in ("math_train", "aime24"):
        rows = json.loads((data / _BENCHMARKS[name]["path"]).read_text())
        yield from ({"id": f"{name}/{number}", "response": _boxed(row)} for number, row in enumerate(rows))
    for row in json.loads((data / "math_500.json").read_text()):
        yield {"id": f"math500/{row['unique_id']}", "response": _boxed(row)}
    for line in gzip.decompress((data / "human_eval.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        program = f"```python\n{row['prompt']}{row['canonical_solution']}\n```"
        yield {"id": f"humaneval/{row['task_id']}", "response": program}


def _boxed(row: dict[str, Any]) -> str:
    return rf"\boxed{{{row['answer']}}}"


def _failed(path: Path) -> list[dict[str, Any]]:
    return [row for row in pq.read_table(path).to_pylist() if row["status"] != "correct"]


if __name__ == "__main__":
    print_rows(measure(Path(sys.argv[1])))
