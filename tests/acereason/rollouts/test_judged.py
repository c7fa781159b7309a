from concurrent.futures import Future
from contextlib import contextmanager, nullcontext

import pytest

from acereason.common.types import Sampling, Verdict
from acereason.rollouts.hf import HFEngine
from acereason.rollouts.judged import Rollouts
from tests.support.fakes import problem, rollout


class Backwards(HFEngine):
    """Yields its responses in reverse order, as a streaming engine may."""

    def responses(self, problems, sampling, num_rollouts, seed):
        for each in reversed(problems):
            yield from ((each, index, rollout("error").response) for index in reversed(range(num_rollouts)))


class Late:
    """Verifiers whose verdicts come when they are asked for; that of problem `a` is correct."""

    def __init__(self) -> None:
        self.verdicts: dict[str, list[Future]] = {}

    def submit(self, problem, text) -> Future:
        verdict = Future()
        self.verdicts.setdefault(problem.id, []).append(verdict)
        return verdict

    def decide(self, name: str) -> None:
        for verdict in self.verdicts[name]:
            verdict.set_result(Verdict("correct" if name == "a" else "wrong"))


class AtOnce(Late):
    def submit(self, problem, text) -> Future:
        verdict = super().submit(problem, text)
        verdict.set_result(Verdict("correct" if problem.id == "a" else "wrong"))
        return verdict


def rollouts(rewards, sections: list[str] | None = None) -> Rollouts:
    @contextmanager
    def section(name):
        sections.append(name) if sections is not None else None
        yield

    return Rollouts(Backwards(), rewards, section, nullcontext)


def test_groups_come_back_in_the_problems_order_and_judged():
    sections: list[str] = []
    (groups,) = rollouts(AtOnce(), sections).waves([problem(name=name) for name in "abc"], Sampling(), 2, seed=0)
    assert [each.problem.id for each in groups] == ["a", "b", "c"]
    assert [r.reward for each in groups for r in each.rollouts] == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert sections == ["rollout", "reward"]


@pytest.mark.parametrize(
    ("num_waves", "expected"),
    [(1, ["abcde"]), (2, ["de", "abc"]), (3, ["e", "cd", "ab"]), (7, ["", "e", "d", "", "c", "b", "a"])],
)
def test_waves_are_the_groups_in_the_order_in_which_they_are_complete(num_waves, expected):
    """Each wave in the problems' order; every rank has as many waves, whatever its share."""
    problems = [problem(name=name) for name in "abcde"]
    waves = rollouts(AtOnce()).waves(problems, Sampling(), 2, seed=0, num_waves=num_waves)
    assert ["".join(each.problem.id for each in wave) for wave in waves] == expected


def test_a_response_is_submitted_when_it_has_ended_not_with_its_group():
    """Of each group the engine has ended one response when the first verdicts are asked for."""
    late, seen = Late(), []

    class Interleaved(HFEngine):
        def responses(self, problems, sampling, num_rollouts, seed):
            for index in range(num_rollouts):
                for each in problems:
                    yield each, index, rollout("error").response
                    seen.append({name: len(verdicts) for name, verdicts in late.verdicts.items()})
            late.decide("a"), late.decide("b")

    made = Rollouts(Interleaved(), late, lambda name: nullcontext(), nullcontext)
    ((a, b),) = made.waves([problem(name="a"), problem(name="b")], Sampling(), 2, seed=0)
    assert seen == [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2}]
    assert [a.correct, b.correct] == [2, 0]


def test_a_step_begins_with_the_longest():
    asked = []

    class Asked(Backwards):
        def responses(self, problems, sampling, num_rollouts, seed):
            asked.append("".join(each.id for each in problems))
            return super().responses(problems, sampling, num_rollouts, seed)

    made = Rollouts(Asked(max_rows=4), AtOnce(), lambda name: nullcontext(), nullcontext)
    (groups,) = made.waves([problem(name=name) for name in "abcde"], Sampling(), 2, seed=0, lengths=[1, 3, 2, 9, 5])
    assert asked == ["de", "bc", "a"]
    assert [each.problem.id for each in groups] == list("debca")


def test_a_stream_waits_for_a_verdict_only_where_nothing_else_is_to_be_done():
    """The engine gives c, b, a; c is judged first, while b waits it holds a back, whose verdict is there."""
    late = Late()
    stream = rollouts(late).stream([problem(name=name) for name in "abc"], Sampling(), 2, seed=0)
    submit = late.submit

    def deciding(problem, text):
        verdict = submit(problem, text)
        if problem.id != "b" and len(late.verdicts[problem.id]) == 2:
            late.decide(problem.id)
        if problem.id == "a" and len(late.verdicts["a"]) == 2:
            late.decide("b")
        return verdict

    late.submit = deciding
    assert [(group.problem.id, group.correct) for group in stream] == [("c", 0), ("b", 0), ("a", 2)]
