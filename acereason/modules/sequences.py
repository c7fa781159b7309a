"""Conversion of rollouts to the rows of training batches."""

from acereason.common.types import Group, Rollout, Sequence


def as_sequence(group: Group, rollout: Rollout, weight: float) -> Sequence:
    """Return a rollout as a row of a training batch: prompt and response tokens with one weight."""
    return Sequence(
        token_ids=group.problem.prompt_ids + rollout.response.token_ids,
        prompt_length=len(group.problem.prompt_ids),
        weight=weight,
        sampler_logprobs=rollout.response.sampler_logprobs,
    )
