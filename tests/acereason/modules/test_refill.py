import pytest

from acereason.algorithm.objective import assign_advantages, denominators
from acereason.common.types import Group, Problem
from acereason.modules.refill import refill_metrics, refilled, replaceable
from acereason.processes.distributed import dealt
from tests.support.fakes import group, problem, rollout
from tests.support.forked_ranks import on_ranks

TEACHING, SOLVED, UNSOLVED = ("correct", "wrong"), ("correct", "correct"), ("wrong", "wrong")
VERDICTS = {
    **{"a": TEACHING, "b": SOLVED, "c": UNSOLVED, "d": ("error", "correct"), "e": SOLVED},
    **{"p": UNSOLVED, "q": TEACHING, "r": SOLVED, "s": TEACHING, "t": TEACHING, "u": TEACHING},
}
"""Of two responses to each problem: those of the step, and those that may come in."""
STEP = "abcde"


def judged(problems: list[Problem]) -> list[Group]:
    groups = [group(*map(rollout, VERDICTS[each.id]), name=each.id) for each in problems]
    assign_advantages(groups)
    return groups


def shared(problems: list[Problem]) -> list[Group]:
    """This rank's groups of all ranks' problems."""
    return judged(dealt(problems))


class Further:
    """Problems that may come in."""

    def __init__(self, names: str) -> None:
        self.names, self.taken = names, None

    def __call__(self, taken: set[str]) -> list[Problem]:
        assert self.taken is None  # asked once a step
        self.taken = taken
        return [problem(name=name) for name in self.names]


def step(rounds: int, further: str = "pqrstu") -> tuple[dict[str, float], list[str], list[str], float]:
    """This rank's metrics, problems in the loss and out of it, and its part of the denominator."""
    groups = refilled(shared([problem(name=name) for name in STEP]), rounds, Further(further), shared)
    inside = [each.problem.id for each in groups if each.rollouts[0].in_loss or each.problem.id == "d"]
    outside = [each.problem.id for each in groups if each.problem.id not in inside]
    return refill_metrics(groups, len(STEP)), inside, outside, denominators(groups)["group"]


def test_replaceable_is_a_judged_group_without_a_gradient():
    """An error is no verdict, and a response that is masked carries nothing."""
    assert [name for name in STEP if replaceable(*judged([problem(name=name)]))] == ["b", "c", "e"]
    masked = group(rollout("correct"), rollout("wrong", truncated=True))
    masked.rollouts[1].in_loss = masked.rollouts[1].in_baseline = False
    assign_advantages([masked])
    assert replaceable(masked)


@pytest.mark.parametrize(
    ("rounds", "further", "inside", "outside", "metrics"),
    [
        (0, "pqrstu", "abcde", "", (0, 0, 4 / 5)),  # d, whose verifier failed, has no gradient either
        (1, "pqrstu", "adpqr", "bce", (3, 6, 3 / 5)),
        (2, "pqrstu", "adqst", "bcepr", (5, 10, 1 / 5)),
        (9, "pqrstu", "adqst", "bcepr", (5, 10, 1 / 5)),  # nothing is left to replace
        (9, "pq", "adepq", "bc", (2, 4, 3 / 5)),  # too few prompts: by name, the first two give way
        (9, "", "abcde", "", (0, 0, 4 / 5)),
    ],
)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_by_hand_on_any_number_of_ranks(ranks, rounds, further, inside, outside, metrics):
    answers = [step(rounds, further)] if ranks == 1 else on_ranks(ranks, lambda mesh: step(rounds, further))
    for answer in answers:
        assert not isinstance(answer, Exception), answer
        assert tuple(answer[0].values()) == pytest.approx(metrics)
    assert sorted(name for answer in answers for name in answer[1]) == list(inside)
    assert sorted(name for answer in answers for name in answer[2]) == list(outside)
    # d has a correct response in the loss; what is replaced leaves the denominator
    assert sum(answer[3] for answer in answers) == len(STEP)


def test_the_further_prompts_are_none_of_the_steps():
    further = Further("pqrstu")
    refilled(judged([problem(name=name) for name in STEP]), 3, further, judged)
    assert further.taken == set(STEP)


def test_a_step_that_teaches_everything_asks_for_nothing():
    groups = judged([problem(name="a"), problem(name="q")])
    assert refilled(groups, 3, None, None) == groups
    assert refill_metrics(groups, 2) == {"refill/prompts": 0, "refill/responses": 0, "refill/silent": 0}
