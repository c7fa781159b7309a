"""Refill: groups of a step that teach nothing are replaced by groups of further prompts. Beyond the paper.

DAPO (arXiv 2503.14476, section 3.2, "dynamic sampling") samples on until every group of a batch has a gradient. Here
that is bounded, and off unless a stage asks for it.
"""

from collections.abc import Callable

from acereason.algorithm.metrics import teaches
from acereason.common.types import Group, Problem
from acereason.processes.distributed import gather


def replaceable(group: Group) -> bool:
    """Return whether a group, its advantages assigned, has no gradient though every verdict is one."""
    # why: errors must reach the count that stops a run, and further prompts don't mend a verifier
    judged = all(rollout.verdict.status != "error" for rollout in group.rollouts)
    return judged and not any(map(teaches, group.rollouts))


def refilled(
    groups: list[Group],
    rounds: int,
    further: Callable[[set[str]], list[Problem]],
    judged: Callable[[list[Problem]], list[Group]],
) -> list[Group]:
    """Return the groups, and those of further prompts that have replaced some: what is replaced leaves the loss. Every
    rank must call it.

    Args:
        groups: this rank's groups of the step, with their advantages.
        rounds: how often at most all groups without a gradient are replaced, those of the last round among them.
        further: given the ids of the step's problems, returns the prompts to take from, in order, on every rank.
        judged: given prompts of all ranks, returns this rank's groups, with their advantages.
    """
    step, replaced = groups, list[Group]()
    prompts: list[Problem] | None = None
    for _ in range(rounds):
        # why: sorted, so that every number of ranks replaces the same where there are too few prompts for all
        silent = sorted(gather([group.problem.id for group in step if replaceable(group)]))
        if silent and prompts is None:
            prompts = further(set(gather([group.problem.id for group in groups])))
        if not silent or not prompts:
            break
        taken, prompts = prompts[: len(silent)], prompts[len(silent) :]
        out = set(silent[: len(taken)])
        replaced += [group for group in step if group.problem.id in out]
        step = [group for group in step if group.problem.id not in out] + judged(taken)
    for rollout in (rollout for group in replaced for rollout in group.rollouts):
        rollout.in_loss = False
    return step + replaced


def refill_metrics(groups: list[Group], prompts: int) -> dict[str, float]:
    """Return what refilling a step came to, over all ranks.

    refill/prompts and refill/responses: beyond those of the step. refill/silent: share of the step's groups that have
    no gradient all the same.

    Args:
        groups: all that this rank has judged, those that were replaced among them.
        prompts: number of the step's prompts, over all ranks, before it was refilled.
    """
    rows = gather([(len(group.rollouts), any(map(teaches, group.rollouts))) for group in groups])
    further = len(rows) - prompts
    # why: each further group stands in the place of one without a gradient
    silent = sum(not teaching for _, teaching in rows) - further
    responses = further * rows[0][0]
    return {"refill/prompts": further, "refill/responses": responses, "refill/silent": silent / prompts}
