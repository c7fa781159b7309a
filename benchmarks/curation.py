r"""python -m benchmarks.curation [ROWS]: `curate` on a made-up corpus of the paper's size, on this machine's cores.

Of every hundred rows one is an exact copy of an earlier one, one a near copy, one shares nine words with a benchmark
item, one eight words (it must stay), and one has a wrong response. What each stage drops is compared with that exactly.
Prompts have about a hundred words, responses some ten: the paper's 8,000 tokens are only ever streamed. Memory is that
of all processes together. The baseline is what one writes first: a set of tuples of nine words, on a part of the rows.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from acereason.curation.text import split
from benchmarks.report import Row, print_rows

ROWS = 2_200_000
_GIB = 2**30
_WORDS, _VOCABULARY, _ITEMS, _CHUNK, _SLICE = 100, 20_000, 1_500, 20_000, 20_000
_EXACT, _NEAR, _NINE, _EIGHT, _WRONG = 11, 22, 33, 44, 55
"""Place of the planted rows in every hundred."""


def measure(rows: int = ROWS) -> list[Row]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out")
        config = prepare(Path(folder), rows)
        seconds, peak = run(config)
        stages = json.loads((output / "manifest.json").read_text())["stages"]
        check(stages, rows)
        taken = json.loads((output / "stages/seconds.json").read_text())
        plain = plain_rate(Path(folder))
        figures = [Row(f"{rows:,} rows: whole run", seconds, "s"), Row("whole run", rows / seconds, "rows/s")]
        figures += [Row(name, stages[name]["before"] / max(taken[name], 0.01), "rows/s") for name in taken]
        ratio = stages["decontaminate"]["before"] / taken["decontaminate"] / plain
        figures += [Row("decontaminate: a plain set of nine-grams, one core", plain, "rows/s")]
        figures += [Row("decontaminate / plain set", ratio, "ratio"), Row("rows kept and dropped as planted", 1, "all")]
        return [*figures, Row("peak memory of all processes", peak, "GiB", at_most=16)]


def check(stages: dict, rows: int) -> None:
    """Every planted row is dropped for its reason, and no other."""
    each = rows // 100
    assert stages["deduplicate"]["reasons"] == {"exact copy": each, "near copy": each}, stages["deduplicate"]
    assert stages["decontaminate"]["reasons"] == {"shared n-gram": each}, stages["decontaminate"]
    assert stages["verify"]["reasons"] == {"wrong": each}, stages["verify"]
    assert stages["write"]["after"] == rows - 3 * each, stages["write"]  # the exact copies' responses stay


def prepare(folder: Path, rows: int) -> Path:
    """Write the corpus, the benchmark and the config; the config's path."""
    vocabulary = words()
    draw = np.random.default_rng(0)
    items = [" ".join(vocabulary[draw.integers(0, _VOCABULARY, _WORDS)]) for _ in range(_ITEMS)]
    (folder / "items.jsonl").write_text("".join(json.dumps({"problem": item, "answer": ""}) + "\n" for item in items))
    with pq.ParquetWriter(
        folder / "corpus.parquet", schema := pa.schema(dict.fromkeys(_COLUMNS, pa.string()))
    ) as writer:
        for chunk in chunks(rows, vocabulary, items):
            writer.write_table(pa.Table.from_pylist(chunk, schema))
    fields = {"statement": "problem", "answer": "answer", "solution": "response"}
    config = {
        "output": str(folder / "out"),
        "workers": len(os.sched_getaffinity(0)),
        "sources": {"made": {"path": str(folder / "corpus.parquet"), "fields": fields}},
        "decontaminate": {"benchmarks": {"items": {"path": str(folder / "items.jsonl"), "fields": "math"}}},
        "responses": {"from_sources": True},
        "versions": {"small": {"math": {"prompts": rows // 50}}, "all": {"math": {}}},
    }
    path = folder / "curate.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


_COLUMNS = ("problem", "answer", "response")


def words() -> np.ndarray:
    """Made-up words of two to four syllables."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    draw = np.random.default_rng(1)
    made: dict[str, None] = {}
    while len(made) < _VOCABULARY:
        word = "".join(draw.choice(syllables, draw.integers(2, 5)))
        if not split(word)[1]:  # `nine` and `same` decide whether a prompt is a copy
            made[word] = None
    return np.array(list(made), dtype=object)


def chunks(rows: int, vocabulary: np.ndarray, items: list[str]) -> Iterator[list[dict[str, str]]]:
    """The corpus, some rows at a time."""
    for start in range(0, rows, _CHUNK):
        draw = np.random.default_rng([2, start])
        drawn = vocabulary[draw.integers(0, _VOCABULARY, (min(_CHUNK, rows - start), _WORDS))]
        chunk: list[dict[str, str]] = []
        for index, text in enumerate(drawn.tolist()):
            chunk.append(made_row(start + index, text, chunk, items))
        yield chunk


def made_row(number: int, text: list[str], before: list[dict[str, str]], items: list[str]) -> dict[str, str]:
    """A row, planted or not; `before` are the rows of the chunk so far."""
    place = number % 100
    answer = str(number)
    statement = f"{' '.join(text)} {number}?"
    if place == _EXACT:
        earlier = before[-10]
        return earlier | {"problem": earlier["problem"].upper().replace("?", " ?")}
    if place == _NEAR:
        earlier = before[-20]
        found = earlier["problem"].split()
        return earlier | {"problem": " ".join([*found[:50], text[0], *found[51:]])}
    if place in (_NINE, _EIGHT):
        item = items[number % len(items)].split()
        length = 9 if place == _NINE else 8
        planted = ["here", *item[30 : 30 + length], "there"]  # two words that no item has, lest chance adds a ninth
        statement = " ".join([*text[:40], *planted, *text[40:], answer])
    found = answer if place != _WRONG else f"{number}1"
    return {"problem": statement, "answer": answer, "response": f"The answer follows at once. \\boxed{{{found}}}"}


def run(config: Path) -> tuple[float, float]:
    """(seconds, peak memory in GiB) of the real verb in a process."""
    environment = os.environ | {"HF_DATASETS_CACHE": str(config.parent / "cache"), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    command = [sys.executable, "run.py", "curate", f"--config={config}"]
    with subprocess.Popen(command, env=environment, stdout=sys.stderr) as process:
        watch = _Memory(process.pid)
        watch.start()
        status = process.wait()
    watch.join()
    assert status == 0, f"curate ended with {status}"
    return time.perf_counter() - started, watch.peak / _GIB


class _Memory(threading.Thread):
    """The largest sum of the resident memory of a process and all below it; pages that they share count once each."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak = root, 0

    def run(self) -> None:
        while Path(f"/proc/{self.root}/smaps_rollup").exists():
            self.peak = max(self.peak, sum(map(_proportional, _below(self.root))))
            time.sleep(0.5)


def _below(root: int) -> list[int]:
    """A process and its descendants."""
    found = [root]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return found


def _proportional(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def plain_rate(folder: Path) -> float:
    """Rows per second of a plain script on one core."""
    lines = (folder / "items.jsonl").read_text().splitlines()
    known = {gram for line in lines for gram in _grams(json.loads(line)["problem"])}
    batch = next(pq.ParquetFile(folder / "corpus.parquet").iter_batches(_SLICE, columns=["problem"]))
    texts = batch["problem"].to_pylist()
    started = time.perf_counter()
    hits = sum(any(gram in known for gram in _grams(text)) for text in texts)
    assert hits == len(texts) // 100
    return len(texts) / (time.perf_counter() - started)


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    found = text.lower().split()
    return (tuple(found[i : i + 9]) for i in range(len(found) - 8))


def main() -> None:
    """Measure and print."""
    print_rows(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))


if __name__ == "__main__":
    main()
