import numpy as np
import pytest

from acereason.curation.balance import beyond_shares
from tests.support.curations import curated, dropped, ids_of, write_rows, write_shards

COUNT = 400


def make(folder, order=range(COUNT), **balance):
    """Prompts whose lengths are 1,000 x (1 to 4), a hundred each; the source holds them in some order."""
    fields = {"statement": "problem", "answer": "answer", "id": "key"}
    rows = [{"problem": f"What is {n}?", "answer": str(n), "key": n} for n in order]
    responses = [{"id": f"m/{n}", "response": "r", "tokens": 1000 * (1 + n % 4)} for n in order]
    source = write_rows(folder / "m.jsonl", rows) | {"fields": fields}
    path = write_shards(folder / "shards", responses, 50)
    return curated(folder, sources={"m": source}, responses={"path": path}, balance={"math": balance})


def lengths(output):
    counts = [0] * 4
    for name in ids_of(output):
        counts[int(name[2:]) % 4] += 1
    return counts


def test_short_prompts_are_thinned(tmp_path):
    output = make(tmp_path / "a", short=2000, keep_short=0.3)
    counts = lengths(output)
    assert counts[2:] == [100, 100]
    assert 40 <= counts[0] + counts[1] <= 80  # of 200, at 0.3
    assert {why for why, _ in dropped(output, "balance").values()} == {"short responses"}


def test_it_does_not_depend_on_the_order(tmp_path):
    config = {"keep_short": 0.3, "edges": [3000], "shares": [0.5, 0.5]}
    backwards = ids_of(make(tmp_path / "b", range(COUNT - 1, -1, -1), **config))
    assert ids_of(make(tmp_path / "a", **config)) == backwards


def test_target_shares(tmp_path):
    output = make(tmp_path, edges=[1000, 3000], shares=[0.1, 0.4, 0.5])
    counts = lengths(output)
    assert (counts[0], counts[1] + counts[2], counts[3]) == (20, 80, 100)  # the last bucket's 100 are half
    assert {why for why, _ in dropped(output, "balance").values()} == {"share of its length"}


def test_shares_by_hand():
    bucket = np.array([0, 0, 0, 1, 1, -1, 2])
    drawn = np.array([5, 1, 3, 9, 2, 0, 4], dtype=np.uint64)
    over = beyond_shares(bucket, np.arange(7), drawn, [0.5, 0.25, 0.25])
    assert over.tolist() == [True, False, False, True, False, False, False]  # 2, 1 and 1 of 4
    assert not beyond_shares(bucket, np.arange(7), drawn, []).any()


def test_a_prompts_length_is_its_median(tmp_path):
    lists = [[100, 5000, 6000], [100, 200, 9000], [1000, 3000]]
    source = write_rows(tmp_path / "m.jsonl", [{"problem": f"What is {n}?", "answer": "1"} for n in range(3)])
    rows = [
        {"id": f"m/{n}", "sample": k, "response": "r", "tokens": tokens}
        for n, each in enumerate(lists)
        for k, tokens in enumerate(each)
    ]
    output = curated(
        tmp_path,
        sources={"m": source},
        responses={"path": write_shards(tmp_path / "shards", rows)},
        balance={"math": {"keep_short": 0.0}},
    )
    found = {name: evidence["tokens"] for name, (_, evidence) in dropped(output, "balance").items()}
    assert found == {"m/1": 200, "m/2": 1000}  # m/0 has 5000; of two the smaller


@pytest.mark.parametrize(
    ("balance", "message"),
    [
        ({"keep_short": 2}, "balance.math.keep_short: must be in [0, 1], not 2"),
        ({"edges": [3, 2]}, "balance.math.edges: must rise, not [3, 2]"),
        ({"edges": [3], "shares": [1.0]}, "balance.math.shares: 1 edges make 2 buckets, not 1"),
        ({"edges": [3], "shares": [0.5, 0.4]}, "balance.math.shares: must be 0 or more and add up to 1, not 0.9"),
    ],
)
def test_mistakes(tmp_path, capsys, balance, message):
    with pytest.raises(SystemExit):
        make(tmp_path, **balance)
    assert f"error: {message}" in capsys.readouterr().err
