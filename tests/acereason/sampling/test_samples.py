import json
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest

from acereason.common.errors import UserError
from acereason.common.journal import RankJournals
from acereason.sampling.samples import Sample, compact, read_samples


def sample(name: str = "b/0", number: int = 0, status: str = "correct", **changes) -> Sample:
    values = {"response": "\\boxed{2}\nü", "detail": {"normal": "2"}, "seed": 2**62, "tokens": 4}
    return Sample(name, number, status=status, **values | {"finish_reason": "stop", "problem": "d"} | changes)


def write(folder, benchmark, rank, *samples) -> None:
    with RankJournals(folder, benchmark).journal(rank) as journal:
        for each in samples:
            journal.append(asdict(each))


def test_what_goes_in_comes_out_of_journals_and_of_the_parquet_file(tmp_path):
    rows = [sample("b/0", 1), sample("b/1", 0, "error"), sample("b/0", 0, "wrong")]
    write(tmp_path, "b", 0, *rows[:2])
    write(tmp_path, "b", 1, rows[2])
    write(tmp_path, "b-1", 0, sample("other/0"))  # another benchmark, whose name begins alike
    expected = {row.place: row for row in rows}
    assert read_samples(tmp_path, "b") == expected
    compact(tmp_path, "b", {"b/0": "What?", "b/1": "Why?"})
    assert read_samples(tmp_path, "b") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b-1-0.jsonl", "b.parquet"]
    table = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert [(row["id"], row["sample"], row["prompt"]) for row in table] == [
        ("b/0", 0, "What?"),
        ("b/0", 1, "What?"),
        ("b/1", 0, "Why?"),
    ]
    assert json.loads(table[0]["detail"]) == {"normal": "2"}


def test_later_samples_join_earlier_ones(tmp_path):
    write(tmp_path, "b", 0, sample("b/0"))
    compact(tmp_path, "b", {"b/0": "What?"})
    write(tmp_path, "b", 0, sample("b/1"))
    compact(tmp_path, "b", {"b/1": "Why?"})
    assert pq.read_table(tmp_path / "b.parquet")["prompt"].to_pylist() == ["What?", "Why?"]


def test_killed_between_the_parquet_file_and_the_end_of_the_journals(tmp_path):
    write(tmp_path, "b", 0, sample("b/0"))
    journal = (tmp_path / "b-0.jsonl").read_bytes()
    compact(tmp_path, "b", {})
    (tmp_path / "b-0.jsonl").write_bytes(journal)
    assert read_samples(tmp_path, "b") == {("b/0", 0): sample("b/0")}


@pytest.mark.parametrize("torn", [1, 20, -1])
def test_a_torn_last_line_is_dropped_and_its_sample_drawn_again(tmp_path, torn):
    write(tmp_path, "b", 0, sample("b/0"))
    line = json.dumps(asdict(sample("b/1"))).encode()
    with (tmp_path / "b-0.jsonl").open("ab") as file:
        file.write(line[:torn])
    assert list(read_samples(tmp_path, "b")) == [("b/0", 0)]
    write(tmp_path, "b", 0, sample("b/1", status="wrong"))
    assert read_samples(tmp_path, "b")["b/1", 0].status == "wrong"
    assert (tmp_path / "b-0.jsonl").read_bytes().count(b"\n") == 2


def test_a_line_that_is_no_sample_is_named(tmp_path):
    write(tmp_path, "b", 0, sample("b/0"))
    with (tmp_path / "b-0.jsonl").open("a") as file:
        file.write('{"id": 1}\n')
    with pytest.raises(UserError, match=r"b-0\.jsonl, line 2: a damaged line \(.*\); delete it"):
        read_samples(tmp_path, "b")


def test_two_processes_do_not_write_one_journal(tmp_path):
    journals = RankJournals(tmp_path, "b")
    with journals.journal(0), pytest.raises(UserError, match="another process"), journals.journal(0):
        pass


def test_votes():
    assert sample().vote == "2"
    assert sample(status="error").vote is None
    assert sample(detail={"extracted": None}).vote is None


def test_half_a_surrogate_pair_costs_no_sample(tmp_path):
    write(tmp_path, "b", 0, sample("b/0", response="a\ud83d", detail={"note": "\udce9"}), sample("b/1"))
    assert read_samples(tmp_path, "b")["b/0", 0].response == "a\ud83d"
    compact(tmp_path, "b", {"b/0": "What\ud83d?", "b/1": "Why?"})
    found = read_samples(tmp_path, "b")
    assert found["b/0", 0].response == "a\ufffd"
    assert found["b/0", 0].detail == {"note": "\udce9"}
    assert found["b/1", 0] == sample("b/1")
