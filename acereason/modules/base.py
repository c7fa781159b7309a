"""What SFT and GRPO share: the Qwen backbone, and one update as a weighted sum of log-probs."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from lightning.pytorch.cli import OptimizerCallable
from transformers import GenerationConfig, PreTrainedTokenizerBase

from acereason.algorithm.batching import MicroBatch, collate, even_parts
from acereason.algorithm.clipping import OffPolicy
from acereason.algorithm.schedule import Schedule
from acereason.common.errors import UserError
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
from acereason.modules.optimized import OptimizedModule
from acereason.processes.distributed import largest


class QwenModule(OptimizedModule):
    """A Qwen policy and its optimizer. A `training_step` ends with one update; optimization is manual, so that the loss
    can be normalized by counts over all micro batches and ranks before any backward.

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
        super().__init__(optimizer, schedule, max_grad_norm)
        for name, value in {"micro_batch_tokens": micro_batch_tokens, "logits_mib": logits_mib}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.pretrained, self.backbone = pretrained, backbone
        self.micro_batch_tokens, self.logits_mib, self.seed = micro_batch_tokens, logits_mib, seed

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
        # why: Lightning can't read its tensors back from a checkpoint that is one file
        if not has_mesh and self.takes_torchao():
            raise UserError("model.optimizer: a torchao optimizer needs FSDP2, see conf/hardware/1gpu.yaml")

    def attention_on(self, device: torch.device) -> Attend:
        """Choose what computes attention on a device; a UserError where `backbone.attention` can't run there."""
        dtype = getattr(torch, self.backbone.compute_dtype)
        return attend_for(self.backbone.attention, device, dtype, head_size(self.config))

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
            grad_norm, rate = self.step_optimizer(denominator, last)
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
