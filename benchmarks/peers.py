"""TRL's side of the races: its trainers as its documentation uses them, in float32 and without files or logs."""

import re
import tempfile
from typing import Any

from datasets import Dataset
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from acereason.data.arithmetic import Arithmetic
from benchmarks import grpo_step, sft_step
from benchmarks.race import Turns

_NEVER = 10**9


class TakeTurns(TrainerCallback):
    """A step is done when its update is."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ready."""
        self.turns.wait()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """After the optimizer's step."""
        self.turns.step()


def grpo(turns: Turns, task: grpo_step.Task, policy: str, steps: int, parts: int) -> None:
    """One update a batch of whole groups, in so many passes forward and backward."""

    def reward(completions: list[str], completion_ids: list[list[int]], answer: list[str], **_: Any) -> list[float]:
        turns.count(sum(map(len, completion_ids)))
        judged = zip(completions, completion_ids, answer, strict=True)
        return [-1.0 if len(ids) == task.budget else float(is_right(text, right)) for text, ids, right in judged]

    rows = Arithmetic(levels=[2, 3, 4], size=1200, seed=2).rows()
    prompts = [{"prompt": f"{row['statement']}=\n", "answer": row["answer"]} for row in rows]
    settings = GRPOConfig(
        **common(steps, task.learning_rate),
        per_device_train_batch_size=task.prompts * task.group_size // parts,
        gradient_accumulation_steps=parts,
        num_generations=task.group_size,
        max_completion_length=task.budget,
    )
    trainer = GRPOTrainer(policy, reward, settings, Dataset.from_list(prompts), callbacks=[TakeTurns(turns)])
    trainer.train()


class CountingSFTTrainer(SFTTrainer):
    """Counts what it learns from."""

    turns: Turns

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any) -> Tensor:
        """Padding is masked; a packed row has none."""
        mask = inputs.get("attention_mask")
        self.turns.count(inputs["input_ids"].numel() if mask is None else int(mask.sum()))
        return super().training_step(model, inputs, *rest)


def sft(turns: Turns, task: sft_step.Task, folder: str, steps: int, mode: sft_step.Mode) -> None:
    """SFT in one of its modes."""
    rows = Dataset.from_json(f"{folder}/rows.jsonl")
    settings = SFTConfig(
        **common(steps, task.learning_rate),
        max_length=sft_step.MAX_LENGTH,
        packing=mode.packing,
        per_device_train_batch_size=mode.rows,
        gradient_accumulation_steps=mode.passes,
    )
    trainer = CountingSFTTrainer(f"{folder}/policy", settings, train_dataset=rows, callbacks=[TakeTurns(turns)])
    trainer.turns = turns
    trainer.train()


def is_right(response: str, answer: str) -> bool:
    """Whether the last box holds the answer."""
    boxed = re.findall(r"\\boxed\{([^}]*)\}", response)
    return bool(boxed) and boxed[-1] == answer


def common(steps: int, rate: float) -> dict[str, Any]:
    """What its GRPO and SFT share. Neither recomputes activations, as ours do not."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": steps,
        "learning_rate": rate,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "model_init_kwargs": {"dtype": "float32"},
        "logging_steps": _NEVER,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
