"""The files of a run: what of them a resumed run keeps, and who writes."""

import os

from acereason.runs.files import Rows, RunFiles


def test_rows_of_steps_that_are_taken_again_go_with_the_one_that_a_kill_cut_short(tmp_path):
    rows = Rows(tmp_path / "rows.jsonl")
    rows.append([{"step": 0, "a": "é"}, {"step": 3}])
    rows.append([{"step": 4}])
    with rows.path.open("a") as file:
        file.write('{"step": 3, "te')
    assert [row["step"] for row in rows.read()] == [0, 3, 4]
    before = rows.path.read_text().splitlines(keepends=True)
    rows.keep_before(4)
    assert rows.path.read_text() == "".join(before[:2])


def test_an_evaluation_at_the_checkpoint_stays_and_the_update_after_it_goes(tmp_path):
    files = RunFiles(tmp_path)
    update, evaluation = {"step": 2, "policy/loss": 9.0}, {"step": 2, "eval/heldout/avg": 0.0}
    files.metrics.append([{"step": 1, "policy/loss": 1.0}, evaluation, update])
    files.groups.append([{"step": 1}, {"step": 2}])
    files.health.append([])
    files.keep_before(2)
    assert files.metrics.read() == [{"step": 1, "policy/loss": 1.0}, evaluation]
    assert files.groups.read() == [{"step": 1}]
    assert sorted(os.listdir(tmp_path)) == ["groups.jsonl", "health.jsonl", "metrics.jsonl"]


def test_what_is_not_there_has_no_rows_and_is_not_made(tmp_path):
    RunFiles(tmp_path).keep_before(1)
    assert RunFiles(tmp_path).samples.read() == []
    assert os.listdir(tmp_path) == []


def test_other_ranks_write_nothing(tmp_path):
    RunFiles(tmp_path).groups.append([{"step": 1}])
    other = RunFiles(tmp_path, writes=False)
    other.groups.append([{"step": 2}])
    other.groups.keep_before(0)
    other.filtered.replace([{"step": 2}])
    assert (other.groups.read(), os.listdir(tmp_path)) == ([{"step": 1}], ["groups.jsonl"])
