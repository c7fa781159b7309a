from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from acereason.common.types import Group, Sampling
from acereason.modules import counting
from acereason.modules.counting import counts, forget, unfinished_folder, work_key
from acereason.rewards.pool import RewardSettings
from acereason.sampling.counts import Counts, Judged
from tests.support.fakes import fake_trainer, problem, rollout

PROBLEMS = [problem(f"{number}+1", name=name) for number, name in enumerate("abc")]


class Drawn:
    """Rollouts that remember what they are asked for; a problem's first response alone is correct."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.asked: list[list[str]] = []
        self.dies_after, self.breaking_off = dies_after, nullcontext
        self.rewards = SimpleNamespace(settings=RewardSettings())
        self.engine = SimpleNamespace(identity=lambda: {"engine": "fake"})

    def stream(self, problems, sampling, num_rollouts, seed):
        self.asked.append([each.id for each in problems])
        for each in problems:
            if self.dies_after == 0:
                raise RuntimeError("killed")
            if self.dies_after is not None:
                self.dies_after -= 1
            yield Group(each, [rollout("correct"), *(rollout("wrong") for _ in range(num_rollouts - 1))])


def counted(drawn: Drawn, kept: Counts) -> list[Judged]:
    return counts(drawn, kept, PROBLEMS, Sampling(), 2, seed=0)


def test_each_problem_is_counted_once_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "PART", 4)  # two problems of two responses
    drawn, kept = Drawn(), Counts(tmp_path, "screen-a", "key")
    assert counted(drawn, kept) == [Judged(name, 1, 0, 2, 6, 0) for name in "abc"]
    assert drawn.asked == [["a", "b"], ["c"]]
    assert counted(Drawn(dies_after=0), kept) == counted(drawn, kept)  # nothing is drawn again


def test_what_was_counted_before_a_kill_is_not_drawn_again(tmp_path):
    kept, drawn = Counts(tmp_path, "screen-a", "key"), Drawn()
    with pytest.raises(RuntimeError, match="killed"):
        counted(Drawn(dies_after=2), kept)
    assert [each.problem for each in counted(drawn, kept)] == ["a", "b", "c"]
    assert drawn.asked == [["c"]]


def test_counts_of_another_policy_are_forgotten(tmp_path):
    counted(Drawn(), Counts(tmp_path, "screen-a", "old"))
    drawn = Drawn()
    counted(drawn, Counts(tmp_path, "screen-a", "new"))
    assert drawn.asked == [["a", "b", "c"]]
    assert [path.name for path in tmp_path.iterdir()] == ["screen-a-new-0.jsonl"]


def test_the_key_is_of_all_that_counts_depend_on():
    def key(drawn=None, weight=1.0, problems=PROBLEMS, sampling=Sampling(), num_rollouts=2, seed=0):  # noqa: B008
        return work_key(drawn or Drawn(), [torch.tensor([weight])], problems, sampling, num_rollouts, seed)

    slower, busier = Drawn(), Drawn()
    slower.rewards.settings.timeout += 1
    busier.rewards.settings.workers = 99
    others = [
        key(weight=2.0),
        key(problems=PROBLEMS[:2]),
        key(sampling=Sampling(0.5)),
        key(num_rollouts=3),
        key(seed=1),
        key(slower),
    ]
    assert len({key(), *others}) == 7
    assert key(busier) == key() == key(Drawn())


def test_the_folder_is_a_hidden_one_beside_the_runs_and_goes_at_the_end(tmp_path):
    trainer = fake_trainer(log_dir=tmp_path / "run", fast_dev_run=False)
    folder = unfinished_folder(trainer)
    assert folder == tmp_path / ".run-unfinished"
    forget(trainer)  # where none is kept
    folder.mkdir()
    for name in ("a-key-0.jsonl", "of-a-user.txt"):
        (folder / name).touch()
    forget(trainer)
    assert [path.name for path in folder.iterdir()] == ["of-a-user.txt"]
    (folder / "of-a-user.txt").unlink()
    forget(trainer)
    assert not folder.exists()
    assert unfinished_folder(fake_trainer(log_dir=tmp_path, fast_dev_run=True)) == tmp_path / "unfinished"
