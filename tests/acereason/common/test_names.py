from pathlib import Path

import pytest

from acereason.common.errors import UserError
from acereason.common.names import check_names
from acereason.common.types import Sampling
from acereason.curation.verb import curate
from acereason.data.benchmark import Benchmark, Measured
from acereason.data.evaluation import EvaluationData
from acereason.data.problems import Source
from acereason.data.rl import RLData
from acereason.data.sft import SFTData
from acereason.data.stage import Stage
from acereason.sampling.predict import predict
from acereason.verbs.recipe import Step, recipe

BAD = {
    "math/8k": "'/' has no place in",
    "math\\8k": "has no place in",
    "a*": "'\\*' has no place in",
    "a?": "'\\?' has no place in",
    "run[lr=1]": "'\\[' has no place in",
    "a\0b": "has no place in",
    "a\nb": "has no place in",
    "a\x7f": "has no place in",
    "a\u2028b": "has no place in",
    "a\ud800b": "has no place in",
    "": "it is empty",
    "  ": "it is empty",
    ".": "begins or ends with a blank or a dot",
    "..": "begins or ends",
    ".hidden": "begins or ends",
    "dotted.": "begins or ends",
    "a ": "begins or ends",
    "\ta": "begins or ends",
    "x" * 151: "151 bytes, at most 150",
    "数" * 51: "153 bytes",
    8: "YAML reads it as int, not as text; put it in quotes",
    1000.0: "as float",
    True: "as bool",
    None: "as NoneType",
}


@pytest.mark.parametrize(("name", "reason"), BAD.items(), ids=map(repr, BAD))
def test_what_can_be_no_files_name_is_refused(name, reason):
    with pytest.raises(UserError, match=f"^data\\.stages: .* can't be a name: .*{reason}"):
        check_names(["math_8k", name], "data.stages")


def test_names_that_serve():
    check_names(["8", "on", "null", "a b", "v1.5", "a~1", "x-end-of-y", "{a}", "é", "数学", "a#1", "x" * 150], "k")


@pytest.mark.parametrize("twins", [("math", "Math"), ("e\u0301", "\u00e9"), ("STRASSE", "straße")])
def test_names_that_are_one_file_elsewhere_are_refused(twins):
    with pytest.raises(UserError, match=r"^data\.stages: .* are one file where upper and lower case are; rename one"):
        check_names(twins, "data.stages")


SOURCES = {"s": Source(path="nowhere.jsonl")}
ODD = {"a/b": Source(path="nowhere.jsonl")}


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (lambda to: RLData(ODD), "data.sources"),
        (lambda to: RLData(SOURCES, {"a/b": Stage(["s"], 1)}), "data.stages"),
        (lambda to: RLData(SOURCES, benchmarks={"a/b": Benchmark(source="s")}), "data.benchmarks"),
        (lambda to: EvaluationData({"a/b": Measured(source=SOURCES["s"])}), "data.benchmarks"),
        (lambda to: SFTData(ODD, 1, 1), "data.sources"),
        (lambda to: SFTData(SOURCES, 1, 1, ODD), "data.heldout"),
        (lambda to: curate(output=to, sources=ODD), "sources"),
        (lambda to: curate(output=to, sources=SOURCES, versions={"a/b": {}}), "versions"),
        (lambda to: predict(ODD, to, sampling=Sampling()), "sources"),
        (lambda to: recipe([Step("a/b", "score")], to), "steps"),
    ],
)
def test_every_mapping_of_names_is_checked_before_anything_is_read_or_written(tmp_path, monkeypatch, made, key):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^{key}: 'a/b' can't be a name"):
        made("out")
    assert not list(Path().iterdir())


def test_a_stage_is_not_named_as_anothers_best_policy():
    stages = {"a": Stage(["s"], 1, monitor="b"), "best-of-a": Stage(["s"], 1)}
    with pytest.raises(UserError, match=r"data\.stages\.best-of-a: the best policy of stage a is exported by this"):
        RLData(SOURCES, stages, {"b": Benchmark(source="s")})
