"""What a curriculum amounts to, in numbers that leave no doubt about what a batch size means."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acereason.data.curriculum import Stage
from acereason.data.rl import RLData

if TYPE_CHECKING:
    from acereason.modules.grpo import GRPOModule


@dataclass
class Arithmetic:
    """One stage's batch arithmetic. One step is one update."""

    prompts: int
    """Prompts of a step, over all ranks."""
    group_size: int
    """Rollouts of a prompt."""
    rollouts: int
    """Responses of a step, over all ranks."""
    rollouts_per_rank: int
    """Responses of a step on the rank that has most."""
    tokens: int
    """Response tokens of a step at most: every response at its budget."""
    micro_batches: int
    """Forward passes of a step on a rank at most."""
    steps: int
    """Updates of the stage at most."""
    problems: int
    """Problems of an epoch, before any are filtered."""


def arithmetic(
    stage: Stage, group_size: int, budget: int, longest_prompt: int, micro_batch_tokens: int, ranks: int, problems: int
) -> Arithmetic:
    """A stage's batch arithmetic, for a response budget and a longest prompt in tokens."""
    prompts = min(stage.prompts_per_step, problems)
    per_rank = -(-prompts // ranks) * group_size
    epochs = stage.epochs and stage.epochs * max(1, problems // stage.prompts_per_step)
    steps = min(steps for steps in (stage.steps, epochs) if steps)
    per_micro_batch = max(1, micro_batch_tokens // (longest_prompt + budget))
    return Arithmetic(
        prompts=prompts,
        group_size=group_size,
        rollouts=prompts * group_size,
        rollouts_per_rank=per_rank,
        tokens=prompts * group_size * budget,
        micro_batches=-(-per_rank // per_micro_batch),
        steps=steps,
        problems=problems,
    )


def stage_arithmetic(module: "GRPOModule", data: RLData, ranks: int) -> dict[str, Arithmetic]:
    """Every stage's batch arithmetic, by name."""
    return {
        name: arithmetic(
            stage,
            stage.group_size or module.group_size,
            stage.max_response_length or module.sampling.max_response_length,
            max(len(problem.prompt_ids) for problem in data.problems_of(name)),
            module.micro_batch_tokens,
            ranks,
            data.count_problems(name),
        )
        for name, stage in data.stages.items()
    }


def explain(module: "GRPOModule", data: RLData, ranks: int) -> str:
    """The curriculum, a line for each stage."""
    lines = []
    for name, a in stage_arithmetic(module, data, ranks).items():
        share = f" ({a.rollouts_per_rank} a rank)" if ranks > 1 else ""
        lines.append(
            f"{name}: {a.prompts} of {a.problems:,} prompts x {a.group_size} = {a.rollouts:,} responses{share}, up to "
            f"{a.tokens:,} tokens in up to {a.micro_batches:,} micro batches a rank, one update; {a.steps:,} steps"
        )
    return "\n".join(["one step of each stage:", *lines])
