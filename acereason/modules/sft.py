"""Supervised fine-tuning (section 3.1): minus the mean log-prob of the response tokens."""

from typing import Any

import torch

from acereason.algorithm.batching import pack
from acereason.common.seeds import derive_seed
from acereason.common.types import Sequence
from acereason.data.sft import SFTData
from acereason.models.lora import dropping
from acereason.modules.base import QwenModule
from acereason.modules.measures import Measures
from acereason.processes.distributed import largest, rank
from acereason.processes.tensors import total


class SFTModule(QwenModule):
    """Learns the responses of a data set, all response tokens of a batch weighing the same."""

    data: SFTData

    def training_step(self, rows: list[dict[str, Any]], batch_idx: int) -> dict[str, float]:
        """Take one update on a batch of rows with `token_ids` and `prompt_length`."""
        self.seconds = {}
        with self.section("train"):
            measures = Measures(self.device)
            seed = derive_seed(self.seed, "dropout", self.trainer.global_step, rank())
            with dropping(self.model, self.backbone.lora, seed, self.device):
                self.accumulate(self.sequences(rows), measures)
            num_tokens = total(torch.tensor(response_tokens(rows), device=self.device)).item()
            packing = self.packing(rows)
            metrics = self.update(measures, num_tokens)
        metrics |= {f"time/{name}": seconds for name, seconds in self.seconds.items()}
        metrics |= {
            "response/tokens": num_tokens,
            "throughput/tokens_per_second": num_tokens / self.seconds["train"],
            "throughput/packing": packing,
        }
        self.record(metrics)
        self.log_dict({"loss": metrics["policy/loss"]}, prog_bar=True, logger=False)
        return metrics

    def packing(self, rows: list[dict[str, Any]]) -> float:
        """Return the share of the micro batches' room, over all ranks, that prompts and responses fill; above 1 where a
        row is longer than a micro batch."""
        lengths = [len(row["token_ids"]) for row in rows]
        micro_batches = largest(len(pack(lengths, self.micro_batch_tokens))) * self.trainer.world_size
        return total(torch.tensor(sum(lengths), device=self.device)).item() / (micro_batches * self.micro_batch_tokens)

    def sequences(self, rows: list[dict[str, Any]]) -> list[Sequence]:
        """Return the rows as sequences whose response tokens all have weight 1."""
        return [Sequence(row["token_ids"], row["prompt_length"], weight=1.0) for row in rows]

    @torch.no_grad()
    def validation_step(self, rows: list[dict[str, Any]], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the loss on held-out rows."""
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for batch in self._micro_batches(self.sequences(rows)):
            logprobs, _ = self.model.token_logprobs(batch, 1.0, self.logits_mib)
            sums += torch.stack(
                [-logprobs.sum().double(), torch.tensor(logprobs.numel(), dtype=torch.float64, device=self.device)]
            )
        loss, num_tokens = total(sums).tolist()
        name = list(self.data.heldout)[dataloader_idx]
        self.log(
            f"eval/{name}/loss", loss / num_tokens, batch_size=int(num_tokens), on_epoch=True, add_dataloader_idx=False
        )

    test_step = validation_step


def response_tokens(rows: list[dict[str, Any]]) -> int:
    """Return the number of tokens that enter the loss."""
    return sum(len(row["token_ids"]) - row["prompt_length"] for row in rows)
