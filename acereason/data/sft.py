"""The (prompt, response) rows of supervised fine-tuning."""

from typing import Any

import lightning.pytorch as pl
from datasets import Dataset, concatenate_datasets

from acereason.data.loader import Loader, batched
from acereason.data.problems import BadRows, Source, refuse_bad_rows
from acereason.data.prompts import Template
from acereason.seeds import shuffled


class SFTData(pl.LightningDataModule):
    """Tokenized prompts and responses; the loss is on the response alone.

    Rows are tokenized once into an Arrow file on disk, and read from there batch by batch.

    Args:
        sources: where rows come from, by name; all of them are mixed.
        batch_size: sequences of one update, over all ranks. The last batch of an epoch may be smaller.
        max_length: longest prompt + response, tokens.
        heldout: sources whose loss `validate` measures, by name.
        template: the prompt's text.
        bad_rows: what to do with rows that are longer, or whose response is empty: `error` or `exclude`, with their
            list.
        seed: of the order of rows.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        batch_size: int,
        max_length: int,
        heldout: dict[str, Source] | None = None,
        template: Template = Template(),  # noqa: B008  read only
        bad_rows: BadRows = "error",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sources, self.heldout = sources, heldout or {}
        self.batch_size, self.max_length = batch_size, max_length
        self.template, self.bad_rows, self.seed = template, bad_rows, seed
        self._rows: Dataset | None = None
        self._heldout: dict[str, Dataset] = {}

    def setup(self, stage: str) -> None:
        """Load, template, tokenize and check the sources."""
        if stage == "fit" and self._rows is None:
            self._rows = concatenate_datasets(
                [self._load(f"data.sources.{name}", name, source) for name, source in self.sources.items()]
            )
        if not self._heldout:
            self._heldout = {
                name: self._load(f"data.heldout.{name}", name, source) for name, source in self.heldout.items()
            }

    def train_dataloader(self) -> Loader[dict[str, Any]]:
        """This epoch's rows in an order that depends on (seed, epoch)."""
        assert self._rows is not None
        order = shuffled(range(len(self._rows)), self.seed, "order", self.trainer.current_epoch)
        return Loader(batched(order, self.batch_size), self._rows.__getitem__)

    def val_dataloader(self) -> list[Loader[dict[str, Any]]]:
        """One loader for each held-out source."""
        return [
            Loader(batched(list(range(len(rows))), self.batch_size), rows.__getitem__)
            for rows in self._heldout.values()
        ]

    test_dataloader = val_dataloader

    def _load(self, key: str, name: str, source: Source) -> Dataset:
        rows = source.rows(key)
        tokenizer = self.trainer.lightning_module.tokenizer

        def tokenize(row: dict[str, Any], index: int) -> dict[str, Any]:
            problem = source.problem(row, index, name)
            response = source.solution(row, problem)
            prompt_ids = self.template.encode_prompt(problem, tokenizer)
            response_ids = self.template.encode_response(response, tokenizer) if response else []
            return {"id": problem.id, "token_ids": prompt_ids + response_ids, "prompt_length": len(prompt_ids)}

        tokenized = rows.map(tokenize, with_indices=True, remove_columns=rows.column_names)
        return self._without_bad_rows(tokenized, key)

    def _without_bad_rows(self, rows: Dataset, key: str) -> Dataset:
        bad = {}
        for row_id, token_ids, prompt_length in zip(rows["id"], rows["token_ids"], rows["prompt_length"], strict=True):
            if len(token_ids) == prompt_length:
                bad[row_id] = "no response"
            elif len(token_ids) > self.max_length:
                bad[row_id] = f"{len(token_ids)} tokens, data.max_length is {self.max_length}"
        refuse_bad_rows(bad, len(rows), key, self.bad_rows)
        return rows.select([index for index, row_id in enumerate(rows["id"]) if row_id not in bad]) if bad else rows
