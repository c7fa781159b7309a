import json

import pytest

from tests.support.curations import curated, dropped, ids_of, write_rows

ITEM = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi"
WORDS = ITEM.split()
NINE = " ".join(WORDS[2:11])
EIGHT = " ".join(WORDS[2:10])
SHORT = "What is 2 + 3?"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    prompts = [
        f"so {NINE} then",  # 9 words
        f"so {EIGHT} then {WORDS[10]}",  # 8 words
        f"So {NINE.upper().replace(' ', ',  ')}.",  # punctuation and case
        "what is $2 + 3$",  # all of a short item
        "Well, what is 2 + 3? And then?",  # a short item inside
        "Find the number of positive integers n such that n divides 7",  # boiler-plate, allowed
        " ".join(WORDS[:8]) + " break " + " ".join(WORDS[8:]),  # two runs of 8
    ]
    benchmarks = {
        "one": write_rows(folder / "one.jsonl", ["unrelated", ITEM]),
        "two": write_rows(folder / "two.jsonl", [SHORT, f"Find the number of positive integers n such that {NINE}"]),
    }
    config = {"benchmarks": benchmarks, "allow": ["Find the number of positive integers $n$ such that"]}
    return curated(folder, sources={"a": write_rows(folder / "a.jsonl", prompts)}, decontaminate=config)


def test_nine_words_drop_and_eight_do_not(output):
    assert dropped(output, "decontaminate") == {
        "a/0": ("shared n-gram", {"item": "one/1", "ngram": NINE, "shared": 1}),
        "a/2": ("shared n-gram", {"item": "one/1", "ngram": NINE, "shared": 1}),
        "a/3": ("same as a short item", {"item": "two/0"}),
    }
    assert ids_of(output) == ["a/1", "a/4", "a/5", "a/6"]


def test_the_report(output):
    lines = (output / "stages/3-decontaminate/ngrams.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"ngram": NINE, "prompts": 2},
        {"ngram": "what is 2 + 3", "prompts": 1},
    ]
    details = json.loads((output / "manifest.json").read_text())["stages"]["decontaminate"]["details"]
    assert (details["items"], details["hits"]) == (4, {"one": 2, "two": 1})


def test_without_the_allowed_phrase(tmp_path):
    prompt = "Find the number of positive integers n such that n divides 7"
    benchmark = write_rows(tmp_path / "b.jsonl", ["Find the number of positive integers n such that m is odd"])
    output = curated(
        tmp_path,
        sources={"a": write_rows(tmp_path / "a.jsonl", [prompt, "x"])},
        decontaminate={"benchmarks": {"b": benchmark}},
    )
    assert ids_of(output) == ["a/1"]


def test_code_has_its_own_n_and_a_date(tmp_path):
    fields = {"statement": "problem", "answer": None, "date": "day"}
    rows = [
        {"problem": " ".join(WORDS[:13]), "day": "2024-07-31"},
        {"problem": " ".join(WORDS[:14]), "day": "2024-07-31"},
        {"problem": "late", "day": "2024-08-01 00:00:00"},
        {"problem": "undated", "day": None},
        {"problem": "later still", "day": "2025-01-01"},
    ]
    source = write_rows(tmp_path / "c.jsonl", rows) | {"fields": fields, "task": "code"}
    math = write_rows(tmp_path / "m.jsonl", [" ".join(WORDS[1:10])])
    benchmark = write_rows(tmp_path / "b.jsonl", [ITEM])
    config = {"benchmarks": {"b": benchmark}, "n": {"math": 9, "code": 14}, "before": "2024-08-01"}
    sources = {"c": source, "m": math}
    output = curated(tmp_path, sources=sources, deduplicate={"near": False}, decontaminate=config)
    assert {name: reason for name, (reason, _) in dropped(output, "decontaminate").items()} == {
        "c/1": "shared n-gram",
        "c/2": "published too late",
        "c/4": "published too late",
        "m/0": "shared n-gram",
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"before": "August"}, "decontaminate.before: must be a day as 2024-08-01, not 'August'"),
        ({"n": {"math": 0}}, "decontaminate.n.math: must be at least 1 word, not 0"),
        ({"allow": ["too few words"]}, "decontaminate.allow: 'too few words' has 3 words, no n-gram of 9"),
        ({"benchmarks": {"b": {"path": "nosuch.jsonl"}}}, "decontaminate.benchmarks.b.path: no file nosuch.jsonl"),
    ],
)
def test_mistakes(tmp_path, capsys, config, message):
    with pytest.raises(SystemExit):
        curated(tmp_path, sources={"a": write_rows(tmp_path / "a.jsonl", ["x"])}, decontaminate=config)
    assert f"error: {message}" in capsys.readouterr().err
