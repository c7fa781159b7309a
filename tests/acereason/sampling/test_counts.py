from dataclasses import asdict

import torch

from acereason.rollouts.engine import alone
from acereason.sampling.counts import Counts, Judged, together
from acereason.sampling.identity import checksum, problems_digest
from tests.support.fakes import problem


def judged(name: str, correct: int = 1) -> Judged:
    return Judged(name, correct, 0, 1, 5, 0)


def test_what_is_kept_is_that_of_all_ranks_without_a_torn_line(tmp_path):
    counts = Counts(tmp_path, "screen-a", "key")
    for rank, name in enumerate(["p", "q"]):
        with counts.journal(rank) as journal:
            journal.append(asdict(judged(name, rank)))
    with (tmp_path / "screen-a-key-1.jsonl").open("a") as file:
        file.write('{"problem": "r", "cor')
    assert counts.read() == {"p": judged("p", 0), "q": judged("q", 1)}
    with counts.journal(1) as journal:
        journal.append(asdict(judged("r")))
    assert list(counts.read()) == ["p", "q", "r"]


def test_an_earlier_policys_go_and_no_others(tmp_path):
    names = ["a-key-0", "a-old-0", "a-old-1", "a-b-old-0", "ab-old-0"]
    for name in names:
        (tmp_path / f"{name}.jsonl").touch()
    Counts(tmp_path, "a", "key").forget_others()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a-b-old-0", "a-key-0", "ab-old-0"]


def test_a_checksum_sees_every_bit_and_where_it_is():
    weights = [torch.arange(6.0).view(2, 3), torch.tensor([1.0, 2.0])]
    other = [weights[0].clone(), weights[1].clone()]
    assert checksum(weights) == checksum(other)
    other[0][1, 2] = torch.nextafter(torch.tensor(5.0), torch.tensor(6.0))
    swapped = [weights[0], torch.tensor([1.0, 0.0])]
    moved = [weights[0].clone(), torch.tensor([5.0, 2.0])]
    moved[0][1, 2] = 1.0  # from one tensor to another
    assert len({checksum(each) for each in (weights, other, swapped, moved)}) == 4


def test_problems_are_told_apart_by_prompt_and_truth_and_samples_are_not():
    one, other = problem("1+1", name="p"), problem("1+1", answer="3", name="p")
    assert problems_digest([alone(one, 0), alone(one, 1)]) == problems_digest([one])
    assert len({problems_digest([each]) for each in (one, other, problem("1+2", name="p"))}) == 3


def test_samples_of_a_problem_are_counted_together():
    parts = [judged("p#0", 1), judged("q#0", 0), judged("p#1", 1)]
    assert together(parts) == [Judged("p", 2, 0, 2, 10, 0), Judged("q", 0, 0, 1, 5, 0)]
