"""Conversion of rollouts to the rows of training batches."""

from acereason.algorithm.metrics import teaches
from acereason.algorithm.objective import Normalize, loss_tokens, token_weight
from acereason.common.types import Group, Rollout, Sequence

# why: not the engine's log-probs alone, whose mean is the entropy over all responses: those whose rewards are all alike
# are no random ones (a solved group has drawn likely tokens). And so engine and trainer are compared in steps without
# a signal too, for an eighth of a forward pass
MEASURED = 8
"""Of a group's responses without a signal one in so many is measured."""


def rows_of(group: Group, normalize: Normalize) -> list[Sequence]:
    """Return the rows of a group's responses in the loss, with their tokens' weights by Eq. 1 before the step's
    denominator: all that carry a signal, and at weight 0, for the metrics, some of those that don't."""
    tokens = loss_tokens(group)
    in_loss = [rollout for rollout in group.rollouts if rollout.in_loss]
    rows = [_weighted(group, rollout, tokens, normalize) for rollout in in_loss if teaches(rollout)]
    silent = [rollout for rollout in in_loss if not teaches(rollout)]
    # why: without a draw: which of a group's rollouts is the first says nothing of what it holds
    measured = silent[::MEASURED]
    return rows + [as_sequence(group, rollout, 0.0, len(silent) / len(measured)) for rollout in measured]


def _weighted(group: Group, rollout: Rollout, tokens: int, normalize: Normalize) -> Sequence:
    row = as_sequence(group, rollout, token_weight(rollout.advantage, tokens, normalize))
    if rollout.token_advantages is not None:
        row.token_weights = [token_weight(own, tokens, normalize) for own in rollout.token_advantages]
    return row


def as_sequence(group: Group, rollout: Rollout, weight: float, stands_for: float = 1.0) -> Sequence:
    """Return a rollout as a row of a training batch: prompt and response tokens with one weight."""
    return Sequence(
        token_ids=group.problem.prompt_ids + rollout.response.token_ids,
        prompt_length=len(group.problem.prompt_ids),
        weight=weight,
        sampler_logprobs=rollout.response.sampler_logprobs,
        stands_for=stands_for,
    )
