"""What SFT and GRPO share: the Qwen backbone, and one update as a weighted sum of log-probs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from transformers import PreTrainedTokenizerBase, Qwen2Config

from acereason.batching import MicroBatch, collate, pack, split_evenly
from acereason.distributed import largest
from acereason.errors import UserError
from acereason.hooks import RolloutCallback
from acereason.models.qwen import Backbone, Qwen, build_model, load_config, load_tokenizer, load_weights, shard
from acereason.modules.measures import Measures
from acereason.objective import policy_loss
from acereason.types import Sequence


@dataclass
class Schedule:
    """Learning-rate factor as a pure function of the step: linear warm-up, then constant or cosine."""

    warmup_steps: int = 0
    """Updates over which the factor rises linearly to 1."""
    decay_steps: int | None = None
    """Updates, warm-up included, at whose end the cosine reaches `final`; null keeps 1."""
    final: float = 0.0
    """Factor at the end of the decay."""

    def factor(self, step: int) -> float:
        """Factor for the update after `step` updates."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.decay_steps is None:
            return 1.0
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.decay_steps - self.warmup_steps))
        cosine = torch.tensor(progress * torch.pi).cos().item()
        return self.final + (1 - self.final) * (1 + cosine) / 2


class QwenModule(pl.LightningModule):
    """A Qwen2 policy and its optimizer. One `training_step` is one update; optimization is manual, so that the loss can
    be normalized by counts over all micro batches and ranks before any backward.

    Args:
        pretrained: Hub name or folder of the weights; null for random ones (`backbone.config`).
        backbone: which model, and how it computes.
        optimizer: built on the (sharded) parameters.
        schedule: learning-rate factor over steps.
        max_grad_norm: gradients are scaled down to this norm; null never clips.
        micro_batch_tokens: tokens of a forward pass; changes memory and speed, never the result.
        logits_mib: MiB of logits that are held at a time, in the compute dtype.
        seed: of random weights and of rollouts.
    """

    model: Qwen

    def __init__(
        self,
        pretrained: str | None = None,
        backbone: Backbone = Backbone(),  # noqa: B008  read only
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule = Schedule(),  # noqa: B008  read only
        max_grad_norm: float | None = 1.0,
        micro_batch_tokens: int = 16384,
        logits_mib: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.pretrained, self.backbone = pretrained, backbone
        self.build_optimizer, self.schedule, self.max_grad_norm = optimizer, schedule, max_grad_norm
        self.micro_batch_tokens, self.logits_mib, self.seed = micro_batch_tokens, logits_mib, seed
        self.learning_rate = 0.0
        """Before the schedule's factor; the optimizer's, until a stage sets its own."""
        self.seconds: dict[str, float] = {}
        """Wall seconds of each section of the current step."""

    @cached_property
    def config(self) -> Qwen2Config:
        """The model's configuration, overrides applied."""
        return load_config(self.pretrained, self.backbone)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return load_tokenizer(self.pretrained, self.backbone)

    def configure_model(self) -> None:
        """Build the model once; shard it where the strategy has a device mesh."""
        if hasattr(self, "model"):
            return
        if self.device_mesh is None and self.trainer.world_size > 1:
            raise UserError("trainer.strategy: several processes need FSDP2, see conf/hardware/8gpu.yaml")
        if self.device_mesh is None and self.backbone.compute_dtype != "float32":
            raise UserError("model.backbone.compute_dtype: bfloat16 needs FSDP2, see conf/hardware/1gpu.yaml")
        self.model = build_model(self.config, self.pretrained, self.backbone, self.seed)
        if self.device_mesh is not None:
            shard(self.model, self.device_mesh["data_parallel"], self.backbone.compute_dtype)

    def configure_optimizers(self) -> Optimizer:
        """The optimizer; its learning rate is set before every update."""
        optimizer = self.build_optimizer(self.model.parameters())
        self.learning_rate = optimizer.param_groups[0]["lr"]
        return optimizer

    def accumulate(self, sequences: list[Sequence], measures: Measures, temperature: float = 1.0) -> None:
        """Add the gradient of minus the sum of weight x log-prob over this rank's response tokens.

        May run several times before `apply`: the sum is linear in the sequences. Every rank must call it as often.
        """
        for batch in self._micro_batches(sequences):
            with self.section("forward"):
                loss, logprobs, entropy = self.model.token_loss(batch, self.objective, temperature, self.logits_mib)
            with self.section("backward"):
                self.manual_backward(loss * self.trainer.world_size)  # FSDP2 averages over ranks, the objective sums
            measures.add(batch, logprobs, entropy, loss)

    def apply(self, measures: Measures, denominator: float = 1.0) -> dict[str, float]:
        """One optimizer step on the accumulated gradient over `denominator`, the same number on every rank.

        Returns:
            the metrics of `Measures`, over all ranks, with policy/grad_norm and policy/lr.
        """
        metrics = measures.metrics()
        metrics["policy/loss"] /= denominator
        self.accept(metrics)
        with self.section("optimizer"):
            grad_norm, rate = self._optimizer_step(denominator)
        return metrics | {"policy/grad_norm": grad_norm, "policy/lr": rate}

    def objective(self, batch: MicroBatch, logprobs: Tensor) -> Tensor:
        """The loss of a micro batch's tokens, or of some of them."""
        return policy_loss(logprobs, self.token_weights(batch, logprobs))

    def token_weights(self, batch: MicroBatch, logprobs: Tensor) -> Tensor:
        """[M] what each response token's log-prob is multiplied by."""
        return batch.weights

    def accept(self, metrics: dict[str, float]) -> None:
        """Raise where the weights must not change by a step with these metrics."""

    @torch.no_grad()
    def measure(self, sequences: list[Sequence], temperature: float) -> dict[str, float]:
        """The metrics of `Measures` without an update."""
        measures = Measures(self.device)
        for batch in self._micro_batches(sequences):
            measures.add(batch, *self.model.token_logprobs(batch, temperature, self.logits_mib))
        return measures.metrics()

    def record(self, metrics: dict[str, float]) -> None:
        """Log metrics of the step just taken, at once.

        `self.log` writes after the step's checkpoint, and a run that is killed between the two would lose them.
        """
        step = self.trainer.global_step - 1
        if step % self.trainer.log_every_n_steps == 0:
            self.log_now(metrics, step)

    def log_now(self, metrics: dict[str, float], step: int) -> None:
        """Give metrics to the loggers and to the callbacks."""
        for logger in self.trainer.loggers:
            logger.log_metrics(metrics, step=step)
        for callback in self.rollout_callbacks():
            callback.on_metrics(self.trainer, self, metrics, step)

    def rollout_callbacks(self) -> list[RolloutCallback]:
        """The callbacks that know our hooks, in the YAML's order."""
        return [callback for callback in self.trainer.callbacks if isinstance(callback, RolloutCallback)]

    def restart_from(self, folder: Path) -> None:
        """Take the weights of an exported folder, with a fresh optimizer."""
        load_weights(self.model, folder)
        self.optimizers().optimizer.state.clear()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a part of the step, for the log and for Lightning's profilers."""
        start = time.perf_counter()
        with self.trainer.profiler.profile(f"[acereason]{name}"):
            yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def _micro_batches(self, sequences: list[Sequence]) -> Iterator[MicroBatch]:
        """Packed micro batches, as many as the rank that needs the most: each is a collective under FSDP."""
        with self.section("pack"):
            needed = int(largest(len(pack([len(s.token_ids) for s in sequences], self.micro_batch_tokens))))
            parts = split_evenly(sequences, self.micro_batch_tokens, max(needed, 1))
        for part in parts:
            with self.section("pack"):
                batch = collate(part, self.device)
            yield batch

    def _optimizer_step(self, denominator: float) -> tuple[float, float]:
        optimizer = self.optimizers()
        rate = self.learning_rate * self.schedule.factor(self.trainer.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(denominator)
        norm = clip_grad_norm_(self.model.parameters(), self.max_grad_norm or float("inf"), error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad()
        return (norm.full_tensor() if isinstance(norm, DTensor) else norm).item(), rate
