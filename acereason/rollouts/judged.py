"""Rollouts: the responses that an engine generates, with the verdicts of the verifiers."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from itertools import islice

from acereason.common.types import Group, Problem, Rollout, Sampling, Verdict
from acereason.processes.distributed import claimed, dealt, gather, shares, world_size
from acereason.processes.tensors import exchanged
from acereason.rewards.pool import RewardPool
from acereason.rollouts.engine import RolloutEngine, unjudged
from acereason.rollouts.parts import in_parts, longest_first

Pending = tuple[Group, list[Future[Verdict]]]
"""A complete group, and the verdicts of its rollouts to come."""


class Rollouts:
    """An engine and the verifiers of its responses, which together turn problems into judged groups.

    Every rank gives the problems of all ranks. An engine that generates so many from start to end takes parts of them,
    one whenever it is free; the others get a share of the expected tokens.

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
        self,
        problems: list[Problem],
        sampling: Sampling,
        num_rollouts: int,
        seed: int,
        num_waves: int = 1,
        lengths: list[float] | None = None,
    ) -> Iterator[list[Group]]:
        """Yield this rank's judged groups in `num_waves` lists, each in the order in which they are to begin. The ranks
        share each wave by its tokens, whoever has generated it.

        Args:
            problems: of all ranks.
            lengths: expected length of the responses to each; infinite where it is not known.
        """
        problems, lengths = longest_first(problems, lengths)
        order = {problem.id: place for place, problem in enumerate(problems)}
        generated = self._generated(problems, sampling, num_rollouts, seed, lengths)
        own = len(dealt(problems, lengths))
        for number in range(num_waves):
            size = own * (number + 1) // num_waves - own * number // num_waves
            # why: the last wave has no bound, so that the generator runs to its end and cleans up after itself
            last = number + 1 == num_waves
            with self.breaking_off():
                wave = self._judged(islice(generated, None if last else size))
            # why: not before all ranks are there: one that a signal breaks off joins in no exchange
            yield sorted(_shared(wave, order), key=lambda group: order[group.problem.id])

    def stream(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        """Yield the judged groups that this rank generates of all ranks' problems, each as soon as it and all groups
        before it have their verdicts."""
        waiting: deque[Pending] = deque()
        for pending in self._generated(problems, sampling, num_rollouts, seed, [1.0] * len(problems)):
            waiting.append(pending)
            while waiting and all(verdict.done() for verdict in waiting[0][1]):
                yield _judge(*waiting.popleft())
        while waiting:
            yield _judge(*waiting.popleft())

    def close(self) -> None:
        """Stop the engine and the verifiers."""
        self.engine.close()
        self.rewards.close()

    def _judged(self, generated: Iterator[Pending]) -> list[Group]:
        with self.section("rollout"):
            wave = list(generated)
        with self.section("reward"):
            return [_judge(group, verdicts) for group, verdicts in wave]

    def _generated(
        self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int, lengths: list[float]
    ) -> Iterator[Pending]:
        """Yield each complete group that this rank generates. Every response goes to the verifiers when it has ended,
        while others are still generated."""
        started: dict[str, dict[int, tuple[Rollout, Future[Verdict]]]] = {}
        for part in self._parts(problems, num_rollouts, lengths):
            for problem, index, response in self.engine.responses(part, sampling, num_rollouts, seed):
                group = started.setdefault(problem.id, {})
                group[index] = unjudged(response), self.rewards.submit(problem, response.text)
                if len(group) == num_rollouts:
                    rollouts, verdicts = zip(*(group[i] for i in range(num_rollouts)), strict=True)
                    yield Group(problem, [*rollouts]), [*verdicts]

    def _parts(self, problems: list[Problem], num_rollouts: int, lengths: list[float]) -> Iterator[list[Problem]]:
        """Yield the parts of all ranks' problems that this rank generates, each when the one before it is done."""
        at_once = self.engine.at_once(num_rollouts)
        if at_once is None:
            # why: what an engine computes together, and so its rounding, would depend on when it gets a problem
            yield dealt(problems, lengths)
            return
        parts = in_parts(problems, lengths, at_once, world_size())
        yield from (parts[number] for number in claimed(len(parts)))


def _judge(group: Group, verdicts: list[Future[Verdict]]) -> Group:
    """Wait for the verdicts and write them, with their rewards, into the group."""
    for rollout, verdict in zip(group.rollouts, verdicts, strict=True):
        rollout.verdict = verdict.result()
        rollout.reward = rollout.verdict.reward
    return group


def _shared(wave: list[Group], order: dict[str, int]) -> list[Group]:
    """Return this rank's share of the groups of all ranks: about as many tokens as every other's. Groups whose rewards
    differ, which are most of an update's work, are shared by themselves."""
    rows = sorted(gather([_row(group, order) for group in wave]))
    owners: dict[int, int] = {}
    for learns in (True, False):
        some = [(place, tokens) for place, teaches, tokens in rows if teaches == learns]
        bins = shares([tokens for _, tokens in some], world_size())
        owners |= {place: bin_ for (place, _), bin_ in zip(some, bins, strict=True)}
    return exchanged(wave, [owners[order[group.problem.id]] for group in wave])


def _row(group: Group, order: dict[str, int]) -> tuple[int, bool, int]:
    """Return a group's place, whether its rewards differ, and its tokens."""
    lengths = [len(group.problem.prompt_ids) + len(rollout.response.token_ids) for rollout in group.rollouts]
    return order[group.problem.id], len({rollout.reward for rollout in group.rollouts}) > 1, sum(lengths)
