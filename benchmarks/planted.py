r"""python -m benchmarks.planted FOLDER: does `curate` keep and drop what it should, of real problems with planted ones?

FOLDER has gsm8k_train.jsonl, math_train.json and aime_1983_2023.json, the sources; math_500.json, aime_2024.json and
amc.json, the benchmarks. Planted among the sources: copies of their prompts and of every benchmark item, plain and with
a word more; and made-up prompts around 9 or 8 words of an item. All others are judged by a plain set of 9-grams.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import yaml

import run
from acereason.curation.text import words
from benchmarks.report import Row, print_rows

_SOURCES = {"gsm8k_train.jsonl": "gsm8k", "math_train.json": "math", "aime_1983_2023.json": "aime"}
_BENCHMARKS = {"math_500.json": "math", "aime_2024.json": "aime", "amc.json": "math"}
_BOILERPLATE = Path("conf/curate/boilerplate.yaml")
_N, _EACH, _LONG = 9, 500, 40
"""Words of an n-gram; planted prompts of a kind; words of a prompt that stays a near copy with one word more."""
_COPY = {"exact copy", "near copy"}
_SHARED = {"shared n-gram", "same as a short item"}


@dataclass
class Plant:
    """A prompt whose fate is known."""

    kind: str
    text: str
    fates: set[str]
    """Reasons for which it may be dropped; `kept` where it must stay."""


def measure(data: Path) -> list[Row]:
    """For each kind of planted prompts the share with the right fate; and the same for all the others."""
    plants = list(planted(data))
    with tempfile.TemporaryDirectory() as folder:
        fates = curate(data, plants, Path(folder))
    right: Counter[str] = Counter()
    for number, plant in enumerate(plants):
        right[plant.kind] += fates[f"planted/{number}"][0] in plant.fates
    rows = [
        Row(f"planted, {kind}: {count} prompts", right[kind] / count, "right", at_least=1)
        for kind, count in Counter(plant.kind for plant in plants).items()
    ]
    return [*rows, *others(data, {name: fate for name, fate in fates.items() if not name.startswith("planted/")})]


def others(data: Path, fates: dict[str, tuple[str, str]]) -> list[Row]:
    """Prompts that nothing was planted in, against a plain set of 9-grams."""
    grams = {gram for text in statements(data, _BENCHMARKS) for gram in grams_of(text)} - allowed()
    shorts = {tuple(words(text)) for text in statements(data, _BENCHMARKS) if len(words(text)) < _N}
    asked = {reason: [text for why, text in fates.values() if why == reason] for reason in {"kept", *_SHARED, *_COPY}}
    shared = {reason: sum(not grams.isdisjoint(grams_of(text)) for text in asked[reason]) for reason in asked}
    same = sum(tuple(words(text)) in shorts for text in asked["kept"])
    return [
        Row("other prompts", len(fates), "prompts"),
        *(Row(f"other prompts, {reason}", len(asked[reason]), "prompts") for reason in sorted(asked)),
        Row("kept ones that share a 9-gram, or are a short item", shared["kept"] + same, "prompts", at_most=0),
        Row(
            "dropped ones that share no 9-gram",
            len(asked["shared n-gram"]) - shared["shared n-gram"],
            "prompts",
            at_most=0,
        ),
    ]


def planted(data: Path) -> Iterator[Plant]:
    """All of them, drawn from a fixed seed."""
    draw = random.Random(0)
    distinct = {tuple(words(text)): text for text in statements(data, _SOURCES)}
    originals = draw.sample([text for found, text in distinct.items() if len(found) >= _LONG], 2 * _EACH)
    for text in originals[:_EACH]:
        yield Plant("copy of a source's prompt", respaced(text), _COPY)
    for text in originals[_EACH:]:
        yield Plant("near copy of a source's prompt", with_a_word_more(text), {"near copy"})
    items = list(statements(data, _BENCHMARKS))
    for text in items:
        yield Plant("copy of a benchmark item", respaced(text), _SHARED | _COPY)
    for text in items:
        if len(words(text)) >= _LONG:
            yield Plant("near copy of a benchmark item", with_a_word_more(text), _SHARED | _COPY)
    grams = draw.sample(sorted({gram for text in items for gram in grams_of(text)} - allowed()), 2 * _EACH)
    for gram in grams[:_EACH]:
        yield Plant(f"{_N} words of an item", around(gram, draw), {"shared n-gram"})
    for gram in grams[_EACH:]:
        yield Plant(f"{_N - 1} words of an item", around(gram[:-1], draw), {"kept"})


def curate(data: Path, plants: list[Plant], folder: Path) -> dict[str, tuple[str, str]]:
    """{id of a prompt: (its fate, its text)} of a real `curate`."""
    lines = [json.dumps({"id": str(n), "problem": p.text, "answer": "1"}) + "\n" for n, p in enumerate(plants)]
    (folder / "planted.jsonl").write_text("".join(lines))
    fields = {"statement": "problem", "answer": "answer", "id": "id"}
    own = {"planted": {"path": str(folder / "planted.jsonl"), "fields": fields}}
    config = {
        "output": str(folder / "out"),
        "sources": entries(data, _SOURCES) | own,
        "decontaminate": {"benchmarks": entries(data, _BENCHMARKS)},
    }
    (folder / "curate.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run.main(["curate", f"--config={_BOILERPLATE}", f"--config={folder / 'curate.yaml'}"])
    return fates_of(folder / "out")


def fates_of(output: Path) -> dict[str, tuple[str, str]]:
    """What became of each prompt that was read."""
    files = sorted(output.glob("stages/1-read/prompts-*.parquet"))
    rows = [row for path in files for row in pq.read_table(path, columns=["id", "statement"]).to_pylist()]
    fates = ["kept"] * len(rows)
    for path in output.glob("stages/*/dropped.parquet"):
        for row in pq.read_table(path, columns=["number", "reason"]).to_pylist():
            fates[row["number"]] = row["reason"]
    written = {
        row["id"] for path in output.glob("data/*/*.parquet") for row in pq.read_table(path, columns=["id"]).to_pylist()
    }
    assert written == {row["id"] for row, fate in zip(rows, fates, strict=True) if fate == "kept"}
    return {row["id"]: (fate, row["statement"]) for row, fate in zip(rows, fates, strict=True)}


def entries(data: Path, files: dict[str, str]) -> dict[str, dict[str, str]]:
    """Sources as the YAML names them."""
    return {Path(name).stem: {"path": str(data / name), "fields": fields} for name, fields in files.items()}


def statements(data: Path, files: dict[str, str]) -> Iterator[str]:
    """The problems' texts."""
    for name in files:
        text = (data / name).read_text()
        rows = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
        yield from (row.get("problem") or row["question"] for row in rows)


def grams_of(text: str) -> set[tuple[str, ...]]:
    """The text's 9-grams."""
    found = words(text)
    return {tuple(found[start : start + _N]) for start in range(len(found) - _N + 1)}


def allowed() -> set[tuple[str, ...]]:
    """9-grams that don't count."""
    return {
        gram
        for phrase in yaml.safe_load(_BOILERPLATE.read_text())["decontaminate"]["allow"]
        for gram in grams_of(phrase)
    }


def respaced(text: str) -> str:
    """The same words."""
    return "  " + text.replace(" ", "  ").replace("\\frac", "\\dfrac").rstrip(".") + "\n"


def with_a_word_more(text: str) -> str:
    """After the first word that an ordinary space follows, in the second half."""
    middle = text.index(" ", len(text) // 2) if " " in text[len(text) // 2 :] else len(text)
    return f"{text[:middle]} kindly{text[middle:]}"


def around(gram: tuple[str, ...], draw: random.Random) -> str:
    """These words within some that no prompt has."""
    made: Callable[[], str] = lambda: "zz" + "".join(draw.choices("bcdfghjklmnp", k=8))  # noqa: E731
    return " ".join([*(made() for _ in range(20)), *gram, *(made() for _ in range(20))])


if __name__ == "__main__":
    print_rows(measure(Path(sys.argv[1])))
