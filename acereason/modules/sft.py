"""Supervised fine-tuning (section 3.1): minus the mean log-prob of the response tokens."""

from typing import Any

import torch

from acereason.distributed import total
from acereason.modules.base import QwenModule
from acereason.types import Sequence


class SFTModule(QwenModule):
    """Learns the responses of a data set, all response tokens of a batch weighing the same."""

    def training_step(self, rows: list[dict[str, Any]], batch_idx: int) -> dict[str, float]:
        """One update on a batch of rows with `token_ids` and `prompt_length`."""
        self.seconds = {}
        with self.section("train"):
            metrics = self.update(self.sequences(rows))
        metrics["response/tokens"] = total(torch.tensor(response_tokens(rows), device=self.device)).item()
        metrics |= {
            "time/train": self.seconds["train"],
            "throughput/tokens_per_second": metrics["response/tokens"] / self.seconds["train"],
        }
        self.record(metrics)
        self.log_dict({"loss": metrics["policy/loss"]}, prog_bar=True, logger=False)
        return metrics

    def sequences(self, rows: list[dict[str, Any]]) -> list[Sequence]:
        """Rows as sequences whose tokens each weigh 1 / num_tokens, the batch's count over all ranks."""
        num_tokens = total(torch.tensor(response_tokens(rows), device=self.device)).item()
        return [Sequence(row["token_ids"], row["prompt_length"], weight=1 / num_tokens) for row in rows]

    @torch.no_grad()
    def validation_step(self, rows: list[dict[str, Any]], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Loss on held-out rows."""
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for batch in self._micro_batches(
            [Sequence(row["token_ids"], row["prompt_length"], weight=1.0) for row in rows]
        ):
            logprobs, _ = self.model.token_logprobs(batch, 1.0, self.logits_mib)
            sums += torch.stack(
                [-logprobs.sum().double(), torch.tensor(logprobs.numel(), dtype=torch.float64, device=self.device)]
            )
        loss, num_tokens = total(sums).tolist()
        name = list(self.trainer.datamodule.heldout)[dataloader_idx]
        self.log(
            f"eval/{name}/loss", loss / num_tokens, batch_size=int(num_tokens), on_epoch=True, add_dataloader_idx=False
        )

    test_step = validation_step


def response_tokens(rows: list[dict[str, Any]]) -> int:
    """Tokens that enter the loss."""
    return sum(len(row["token_ids"]) - row["prompt_length"] for row in rows)
