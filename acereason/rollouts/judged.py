"""Rollouts: the responses that an engine generates, with the verdicts of the verifiers."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from itertools import islice

from acereason.common.types import Group, Problem, Sampling, Verdict
from acereason.rewards.pool import RewardPool
from acereason.rollouts.engine import RolloutEngine


class Rollouts:
    """An engine and the verifiers of its responses, which together turn problems into judged groups.

    Args:
        engine: holds a copy of the policy's weights and generates responses.
        rewards: judges them.
        section: times a part of the work, by its name.
        breaking_off: the context of work that a signal may end.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        rewards: RewardPool,
        section: Callable[[str], AbstractContextManager[None]],
        breaking_off: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.engine, self.rewards = engine, rewards
        self.section, self.breaking_off = section, breaking_off

    def waves(
        self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int, num_waves: int = 1
    ) -> Iterator[list[Group]]:
        """Yield judged groups in `num_waves` lists, each in the order of the problems. A group is submitted to the
        verifiers when it is complete, while others are still generated."""
        order = {problem.id: place for place, problem in enumerate(problems)}
        generated = self.engine.generate(problems, sampling, num_rollouts, seed)
        for number in range(num_waves):
            size = len(problems) * (number + 1) // num_waves - len(problems) * number // num_waves
            # why: the last wave has no bound, so that the generator runs to its end and cleans up after itself
            last = number + 1 == num_waves
            with self.breaking_off():
                wave = self._judged(islice(generated, None if last else size))
            yield sorted(wave, key=lambda group: order[group.problem.id])

    def stream(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        """Yield judged groups, each as soon as it and all groups before it have their verdicts."""
        waiting: deque[tuple[Group, list[Future[Verdict]]]] = deque()
        for group in self.engine.generate(problems, sampling, num_rollouts, seed):
            waiting.append((group, self._submit(group)))
            while waiting and all(verdict.done() for verdict in waiting[0][1]):
                yield _judge(*waiting.popleft())
        while waiting:
            yield _judge(*waiting.popleft())

    def close(self) -> None:
        """Stop the engine and the verifiers."""
        self.engine.close()
        self.rewards.close()

    def _judged(self, generated: Iterator[Group]) -> list[Group]:
        with self.section("rollout"):
            wave = [(group, self._submit(group)) for group in generated]
        with self.section("reward"):
            return [_judge(group, verdicts) for group, verdicts in wave]

    def _submit(self, group: Group) -> list[Future[Verdict]]:
        return [self.rewards.submit(group.problem, rollout.response.text) for rollout in group.rollouts]


def _judge(group: Group, verdicts: list[Future[Verdict]]) -> Group:
    """Wait for the verdicts and write them, with their rewards, into the group."""
    for rollout, verdict in zip(group.rollouts, verdicts, strict=True):
        rollout.verdict = verdict.result()
        rollout.reward = rollout.verdict.reward
    return group
