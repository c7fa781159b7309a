import json
import random

import numpy as np
import pytest

from acereason.curation.deduplicate import alike, buckets, candidates, exact_copies
from acereason.curation.text import split
from tests.support.curations import curated, dropped, ids_of, write_rows

LONG = (
    "A farmer has 12 cows and 30 sheep on a large meadow near the river. Every morning she sells some of the milk at "
    "the market in town and keeps the rest for her family. How many animals does she have on the meadow in total?"
)


def test_near_copies():
    assert alike(LONG, LONG.replace("near the river", "beside the river")) > 0.8
    assert alike(LONG, LONG.upper().lower()) == 1.0
    assert alike(LONG, LONG.replace("12", "13")) == 0.0
    assert alike(LONG, LONG.replace("12 cows and 30 sheep", "30 cows and 12 sheep")) == 0.0
    assert alike(LONG, LONG.replace("in total", "at least")) == 0.0
    assert alike("Find angle A of it", "Find angle B of it") == 0.0
    assert alike("Find x now", "Find x") == 0.0  # [find x now] against [find x]


def test_jaccard_by_hand():
    one, other = "red fox jumps over lazy dogs", "red fox jumps over lazy cats"
    assert alike(one, other) == 3 / 5  # of four 3-grams each, three are shared


def test_exact_copies_keep_the_first():
    hashes = np.array([[1, 1], [2, 2], [1, 1], [1, 2], [2, 2], [1, 1]], dtype=np.uint64)
    assert [(c.number, c.evidence["number"]) for c in exact_copies(hashes)] == [(2, 0), (4, 1), (5, 0)]


def test_candidates_are_those_of_plain_buckets():
    generator = np.random.default_rng(0)
    bands = generator.integers(0, 20, (60, 3)).astype(np.uint64)
    numbers = np.flatnonzero(generator.random(60) < 0.8)
    expected = sorted((int(j), int(i)) for i in numbers for j in numbers if i < j and (bands[i] == bands[j]).any())
    assert [tuple(pair) for pair in candidates(bands, numbers).tolist()] == expected


def test_minhash_finds_nearly_all_near_copies():
    """Against Jaccard of all pairs: 200 texts of which half are changed copies of the other half."""
    generator = random.Random(0)
    vocabulary = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "klmnp"]
    texts = [" ".join(generator.choices(vocabulary, k=60)) for _ in range(100)]
    for text in list(texts):
        changed = text.split()
        changed[generator.randrange(60)] = "changed"
        texts.append(" ".join(changed))
    pairs = candidates(buckets([split(text) for text in texts]), np.arange(200)).tolist()
    copies = [(j, i) for i in range(200) for j in range(i + 1, 200) if alike(texts[i], texts[j]) >= 0.8]
    assert len(copies) == 100
    assert len({tuple(pair) for pair in pairs} & set(copies)) >= 99


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    first = ["What is $2+3$?", LONG, "What is 2-3?", "what is \\(2+3\\)", LONG.replace("30", "31")]
    second = ["WHAT IS 2+3", LONG.replace("in town", "in the town"), "A new one", "What is 2 + 3 ?", LONG]
    sources = {"b": write_rows(folder / "b.jsonl", first), "a": write_rows(folder / "a.jsonl", second)}
    return curated(folder, sources=sources)


def test_the_first_in_the_order_of_the_sources_is_kept(output):
    assert ids_of(output) == ["a/2", "b/0", "b/1", "b/2", "b/4"]
    assert {name: reason for name, (reason, _) in dropped(output, "deduplicate").items()} == {
        **dict.fromkeys(("a/0", "a/3", "a/4", "b/3"), "exact copy"),
        "a/1": "near copy",
    }


def test_the_pairs_can_be_looked_at(output):
    lines = [json.loads(line) for line in (output / "stages/2-deduplicate/examples.jsonl").read_text().splitlines()]
    (near,) = [line for line in lines if line["reason"] == "near copy"]
    assert (near["id"], near["kept"], near["kept_statement"]) == ("a/1", "b/1", LONG)
    assert near["statement"] == LONG.replace("in town", "in the town")
    assert 0.8 <= near["similarity"] < 1
    assert {line["kept"] for line in lines if line["reason"] == "exact copy"} == {"b/0", "b/1"}


def test_without_near_copies(tmp_path):
    rows = write_rows(tmp_path / "a.jsonl", [LONG, LONG.replace("in town", "in the town"), LONG.upper()])
    output = curated(tmp_path, sources={"a": rows}, deduplicate={"near": False})
    assert ids_of(output) == ["a/0", "a/1"]
