"""What SFT and GRPO share: the Qwen backbone, and one update as a weighted sum of log-probs."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from transformers import GenerationConfig, PreTrainedTokenizerBase

from acereason.algorithm.batching import MicroBatch, collate, even_parts
from acereason.algorithm.clipping import OffPolicy
from acereason.algorithm.schedule import Schedule
from acereason.common.errors import UserError, first_line
from acereason.common.types import Sequence
from acereason.data.chat import chat_template
from acereason.data.policy import Data
from acereason.models.attention import Attend, attend_for
from acereason.models.backbone import Backbone, load_config, load_tokenizer
from acereason.models.exports import export, load_weights
from acereason.models.family import QwenConfig, head_size
from acereason.models.qwen import Qwen, build_model
from acereason.models.served import Served, ends_of, generation_of
from acereason.modules.measures import Measures
from acereason.modules.recording import RecordingModule
from acereason.processes.distributed import largest
from acereason.processes.tensors import whole


class QwenModule(RecordingModule):
    """A Qwen policy and its optimizer. One `training_step` is one update; optimization is manual, so that the loss can
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
    data: Data
    """The run's data module, which `Trainer.connect` names."""

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
        for name, value in {"micro_batch_tokens": micro_batch_tokens, "logits_mib": logits_mib}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if max_grad_norm is not None and max_grad_norm <= 0:
            raise ValueError(f"max_grad_norm must be above 0, or null to clip nothing, not {max_grad_norm}")
        self.automatic_optimization = False
        self.pretrained, self.backbone = pretrained, backbone
        self.build_optimizer, self.schedule, self.max_grad_norm = optimizer, schedule, max_grad_norm
        self._schedule = schedule
        self.micro_batch_tokens, self.logits_mib, self.seed = micro_batch_tokens, logits_mib, seed
        self.learning_rate = 0.0
        """Learning rate before the schedule's factor: the optimizer's, until a stage sets its own."""

    @cached_property
    def config(self) -> QwenConfig:
        """The model's configuration with the backbone's overrides applied."""
        return load_config(self.pretrained, self.backbone)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return load_tokenizer(self.pretrained, self.backbone, self.config)

    @cached_property
    def generation(self) -> GenerationConfig:
        """The generation settings of the model that training begins with."""
        return generation_of(self.pretrained if self.backbone.tokenizer is None else None)  # it speaks of token ids

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end a response: the template's, the tokenizer's, and the model's own: RL on an export of SFT
        stops where SFT's base did, too."""
        ids = [*self.data.template.stop_ids(self.tokenizer), *ends_of(self.generation)]
        return [token for token in dict.fromkeys(ids) if token < self.config.vocab_size]

    def configure_model(self) -> None:
        """Build the model once; shard it where the strategy has a device mesh."""
        if hasattr(self, "model"):
            return
        self.check_sharding(self.device_mesh is not None, self.trainer.world_size)
        self.attention_on(self.trainer.strategy.root_device)  # now, not after the first rollouts
        mesh = None if self.device_mesh is None else self.device_mesh["data_parallel"]
        self.model = build_model(self.config, self.pretrained, self.backbone, self.seed, mesh)

    def check_sharding(self, has_mesh: bool, ranks: int) -> None:
        """Raise a UserError for what only FSDP2 does, where there is no device mesh."""
        if not has_mesh and ranks > 1:
            raise UserError("trainer.strategy: several processes need FSDP2, see conf/hardware/8gpu.yaml")
        if not has_mesh and self.backbone.compute_dtype != "float32":
            raise UserError("model.backbone.compute_dtype: bfloat16 needs FSDP2, see conf/hardware/1gpu.yaml")
        if not has_mesh and self.backbone.offload:
            raise UserError("model.backbone.offload: needs FSDP2, see conf/hardware/1gpu-offload.yaml")

    def attention_on(self, device: torch.device) -> Attend:
        """Choose what computes attention on a device; a UserError where `backbone.attention` can't run there."""
        dtype = getattr(torch, self.backbone.compute_dtype)
        return attend_for(self.backbone.attention, device, dtype, head_size(self.config))

    def configure_optimizers(self) -> Optimizer:
        """The optimizer; its learning rate is set before every update."""
        optimizer = self.optimizer_of(parameter for parameter in self.model.parameters() if parameter.requires_grad)
        self.learning_rate = float(optimizer.param_groups[0]["lr"])
        self._settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        return optimizer

    def on_train_start(self) -> None:
        """Give the optimizer the settings of the config: with its state it has taken those of the checkpoint."""
        if self.schedule.open_end:
            self._schedule = self.schedule.over(self.planned_updates())
        for group, settings in zip(self._optimizer.param_groups, self._settings, strict=True):
            group.update(settings)

    def planned_updates(self) -> float:
        """Return the updates of the whole run if no callback ends it sooner; infinite where nothing else ends it."""
        return self.trainer.estimated_stepping_batches

    def optimizer_of(self, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
        """Return the optimizer of these parameters; a UserError where it refuses a value, such as a negative rate."""
        try:
            return self.build_optimizer(parameters)
        except ValueError as error:
            raise UserError(f"model.optimizer: {first_line(error)}") from error

    def optimizer_settings(self) -> set[str]:
        """Return the names of the settings that the optimizer has."""
        return set(self.optimizer_of([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]) - {"params"}

    def accumulate(
        self,
        sequences: list[Sequence],
        measures: Measures,
        temperature: float = 1.0,
        importance_cap: float | None = None,
        off_policy: OffPolicy | None = None,
    ) -> None:
        """Add the gradient of minus the sum of weight x log-prob, or x clipped ratio, over this rank's response tokens.

        May run several times before `update`: the sum is linear in the sequences. Every rank must call it as often.
        Sequences whose tokens all have weight 0 are measured without a backward pass, which is two thirds of the work:
        their gradient is 0.
        """
        self.observe([sequence for sequence in sequences if not sequence.has_gradient], measures, temperature)
        for batch in self._micro_batches([sequence for sequence in sequences if sequence.has_gradient]):
            with self.section("forward"):
                loss, *found = self.model.policy_loss(batch, temperature, self.logits_mib, importance_cap, off_policy)
            with self.section("backward"):
                self.manual_backward(loss * self.trainer.world_size)  # FSDP2 averages over ranks, the objective sums
            measures.add(batch, *found, loss)

    def update(self, measures: Measures, denominator: float = 1.0, last: bool = True) -> dict[str, float]:
        """Take one optimizer step on the accumulated gradient over `denominator`, the same number on every rank, and
        return the metrics of `Measures` over all ranks, policy/grad_norm and policy/lr. Before the `last` of a step's
        updates `trainer.global_step` stays."""
        metrics = measures.metrics()
        metrics["policy/loss"] /= denominator
        self.accept(metrics)
        with self.section("optimizer"):
            grad_norm, rate = self._optimizer_step(denominator, last)
        return metrics | {"policy/grad_norm": grad_norm, "policy/lr": rate}

    def accept(self, metrics: dict[str, float]) -> None:
        """Raise where the weights must not change by a step with these metrics."""

    def measure(self, sequences: list[Sequence], temperature: float) -> dict[str, float]:
        """Return the metrics of `Measures` without an update."""
        measures = Measures(self.device)
        self.observe(sequences, measures, temperature)
        return measures.metrics()

    @torch.no_grad()
    def observe(self, sequences: list[Sequence], measures: Measures, temperature: float, keep: bool = False) -> None:
        """Take the measures of this rank's sequences, without a gradient; `keep`: let each keep its log-probs as those
        of the policy before the step. Every rank must call it as often."""
        if not largest(len(sequences)):
            return
        for batch in self._micro_batches(sequences):
            with self.section("forward"):
                logprobs, entropy = self.model.token_logprobs(batch, temperature, self.logits_mib)
            measures.add(batch, logprobs, entropy)
            if keep:
                batch.remember(logprobs)

    def export(self, folder: Path) -> None:
        """Write the policy as a Hugging Face folder, in the dtype that it computes in. Every rank must call it."""
        served = Served(chat_template(self.data.template), self.stop_ids, self.generation)
        dtype = getattr(torch, self.backbone.compute_dtype)  # what FSDP2 rounds the weights to is the policy
        export(self.model, self.tokenizer, folder, self.trainer.is_global_zero, served, dtype)

    def restart_from(self, folder: Path) -> None:
        """Take the weights of an exported folder, with a fresh optimizer."""
        load_weights(self.model, folder)
        self._optimizer.optimizer.state.clear()

    def _micro_batches(self, sequences: list[Sequence]) -> Iterator[MicroBatch]:
        """Yield packed micro batches, on every rank as many as on the rank that needs the most."""
        with self.section("pack"):
            parts = even_parts(sequences, self.micro_batch_tokens)
        for part in parts:
            with self.section("pack"):
                batch = collate(part, self.device)
            yield batch

    @property
    def _optimizer(self) -> LightningOptimizer:
        """The one optimizer that `configure_optimizers` returns."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer

    def _optimizer_step(self, denominator: float, last: bool = True) -> tuple[float, float]:
        optimizer = self._optimizer
        rate = self.learning_rate * self._schedule.factor(self.trainer.global_step)
        for group in optimizer.param_groups:
            # why: an optimizer of torchao holds its rate as a tensor, and refuses a number in its place
            group["lr"] = torch.full_like(group["lr"], rate) if isinstance(group["lr"], Tensor) else rate
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(denominator)
        norm = clip_grad_norm_(self.model.parameters(), self.max_grad_norm or float("inf"), error_if_nonfinite=True)
        if last:
            optimizer.step()
        else:
            # why: Lightning counts a global step for each step of its wrapper, and a step is a batch of rollouts
            self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None)
        optimizer.zero_grad()
        return whole(norm).item(), rate
