import json

import pyarrow.parquet as pq
import pytest

from acereason.curation.write import _Files
from tests.support.curations import curated, rows_of, write_rows, write_shards

PROMPTS, RESPONSES = 120, 4
VERSIONS = {
    "v1": {"math": {"prompts": 20, "responses": 1}, "code": {"prompts": 10, "responses": 1}},
    "v2": {"math": {"prompts": 50, "responses": 1}, "code": {"prompts": 10, "responses": 1.5}},
    "v3": {"math": {"prompts": 50, "responses": 2.5}, "code": {"prompts": 40, "responses": 1.5}},
    "v4": {"math": {"prompts": 1000, "responses": None}, "code": {}},
}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    sources, responses = {}, []
    for name, task in (("m", "math"), ("c", "code")):
        texts = [f"{task} problem {n}" for n in range(PROMPTS)]
        sources[name] = write_rows(folder / f"{name}.jsonl", texts) | {"task": task}
        responses += [
            {"id": f"{name}/{n}", "sample": k, "response": f"{name} {n} {k}"}
            for n in range(PROMPTS)
            for k in range(RESPONSES)
        ]
    path = write_shards(folder / "shards", responses, 100)
    return curated(folder, sources=sources, responses={"path": path}, versions=VERSIONS, rows_per_file=30)


def keys(output, version):
    return {(row["id"], row["sample"]) for row in rows_of(output, version)}


def test_each_version_contains_the_one_before(output):
    found = [keys(output, version) for version in VERSIONS]
    assert all(smaller < larger for smaller, larger in zip(found, found[1:], strict=False))
    assert len(found[-1]) == 2 * PROMPTS * RESPONSES


def test_sizes(output):
    told = json.loads((output / "manifest.json").read_text())["stages"]["version"]["details"]["versions"]
    for version, sizes in VERSIONS.items():
        rows = rows_of(output, version)
        for task, size in sizes.items():
            of_task = [row["id"] for row in rows if row["task"] == task]
            assert told[version][task] == {"prompts": len(set(of_task)), "responses": len(of_task)}
            assert len(set(of_task)) == min(size.get("prompts", PROMPTS), PROMPTS)
    assert [told[v]["math"]["responses"] for v in ("v1", "v2", "v4")] == [20, 50, 480]
    assert 110 <= told["v3"]["math"]["responses"] <= 140  # 50 x 2.5: each prompt has two or three
    assert 10 <= told["v2"]["code"]["responses"] <= 20


def test_responses_per_prompt_differ_by_one_at_most(output):
    counts = {}
    for row in rows_of(output, "v3-math"):
        counts[row["id"]] = counts.get(row["id"], 0) + 1
    assert set(counts.values()) == {2, 3}


def test_which_responses_are_taken_is_drawn(output):
    assert {sample for _, sample in keys(output, "v1-math")} == {0, 1, 2, 3}


def test_one_task_of_a_version(output):
    assert {row["task"] for row in rows_of(output, "v2-code")} == {"code"}
    assert len(rows_of(output, "v2")) == len(rows_of(output, "v2-code")) + len(rows_of(output, "v2-math"))


def test_files_hold_what_a_version_adds_and_are_not_longer_than_asked(output):
    sizes = {str(p.relative_to(output / "data")): pq.read_metadata(p).num_rows for p in output.glob("data/*/*")}
    assert sizes["v1/math-00000.parquet"] == 20
    assert (sizes["v2/math-00000.parquet"], "v2/math-00001.parquet" in sizes) == (30, False)
    assert max(sizes.values()) == 30
    assert sum(sizes.values()) == 2 * PROMPTS * RESPONSES


@pytest.mark.parametrize(
    ("most", "sizes"), [(1500, [1500, 1500, 1200]), (1000, [1000] * 4 + [200]), (2100, [2100, 2100])]
)
def test_files_of_more_than_a_row_group_are_not_longer_than_asked(tmp_path, most, sizes):
    files = _Files(tmp_path, ["v1"], most)
    for number in range(4200):
        files.add(0, {"task": "math", "id": str(number)})
    files.close()
    written = [pq.read_table(path) for path in sorted(tmp_path.glob("v1/*"))]
    assert [table.num_rows for table in written] == sizes
    assert [name for table in written for name in table["id"].to_pylist()] == [str(number) for number in range(4200)]


def test_another_seed_draws_others(output, tmp_path):
    source = write_rows(tmp_path / "m.jsonl", [f"problem {n}" for n in range(50)])
    sizes = {"v1": {"math": {"prompts": 10}}}
    drawn = [
        {row["id"] for row in rows_of(curated(tmp_path / str(s), sources={"m": source}, versions=sizes, seed=s), "v1")}
        for s in (0, 1)
    ]
    assert drawn[0] != drawn[1]
    assert len(drawn[0]) == len(drawn[1]) == 10


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({"math": {"prompts": 10, "responses": 2}}, "versions.v2.math.prompts: 10 is less than v1's 20; versions nest"),
        ({"math": {"prompts": 30, "responses": 1}}, "versions.v2.math.responses: 1 is less than v1's 2; versions nest"),
        ({"code": {}}, "versions.v2.math.prompts: 0 is less than v1's 20; versions nest"),
    ],
)
def test_versions_that_do_not_nest(tmp_path, capsys, later, message):
    versions = {"v1": {"math": {"prompts": 20, "responses": 2}}, "v2": later}
    with pytest.raises(SystemExit):
        curated(tmp_path, sources={"m": write_rows(tmp_path / "m.jsonl", ["x"])}, versions=versions)
    assert f"error: {message}" in capsys.readouterr().err
