"""The (prompt, response) rows of supervised fine-tuning."""

from typing import Any

import lightning.pytorch as pl
from datasets import Dataset, concatenate_datasets

from acereason.data.loader import Loader, batched
from acereason.data.problems import BadRows, Source, refuse_bad_rows
from acereason.data.prompts import Template
from acereason.distributed import world_size
from acereason.errors import UserError
from acereason.seeds import shuffled


class SFTData(pl.LightningDataModule):
    """Tokenized prompts and responses; the loss is on the response alone.

    Rows are tokenized once into an Arrow file on disk, and read from there batch by batch.

    An update is `batch_size` responses, whatever their lengths, and not a number of packed contexts: what it learns
    then depends neither on how rows happen to fit together nor on the number of ranks. Packing comes after it: each
    rank lays its rows end to end in micro batches of `model.micro_batch_tokens`, which attend document by document,
    so that no row is cut or sees another. To fill them evenly, ranks are dealt a batch's rows by length;
    throughput/packing tells how full they are.

    Args:
        sources: where rows come from, by name; all of them are mixed.
        batch_size: responses of one update, over all ranks. The last batch of an epoch may be smaller.
        max_length: longest prompt + response, tokens.
        heldout: sources whose loss `validate` measures, by name.
        template: the prompt's text.
        bad_rows: what to do with rows that are longer, or whose response is empty: `error` or `exclude`, with their
            list.
        seed: of the order of rows.
        workers: processes that tokenize.
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
        workers: int = 1,
    ) -> None:
        super().__init__()
        self.sources, self.heldout = sources, heldout or {}
        self.batch_size, self.max_length = batch_size, max_length
        self.template, self.bad_rows, self.seed, self.workers = template, bad_rows, seed, workers
        self._rows: Dataset | None = None
        self._heldout: dict[str, Dataset] = {}

    def setup(self, stage: str) -> None:
        """Load, template, tokenize and check the sources."""
        if stage == "fit" and self.trainer.reload_dataloaders_every_n_epochs != 1:
            raise UserError("trainer.reload_dataloaders_every_n_epochs: must be 1, every epoch has an order of its own")
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
        lengths = self._rows["length"][:]
        batches = [dealt(batch, lengths, world_size()) for batch in batched(order, self.batch_size)]
        return Loader(batches, self._rows.__getitem__)

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
            token_ids, prompt_length = prompt_ids + response_ids, len(prompt_ids)
            return {"id": problem.id, "token_ids": token_ids, "prompt_length": prompt_length, "length": len(token_ids)}

        processes = self.workers if self.workers > 1 else None
        tokenized = rows.map(tokenize, with_indices=True, remove_columns=rows.column_names, num_proc=processes)
        return self._without_bad_rows(tokenized, key)

    def _without_bad_rows(self, rows: Dataset, key: str) -> Dataset:
        bad: dict[int, str] = {}  # by place: several responses to a prompt share its id
        for place, (prompt_length, length) in enumerate(zip(rows["prompt_length"], rows["length"], strict=True)):
            if length == prompt_length:
                bad[place] = "no response"
            elif length > self.max_length:
                bad[place] = f"{length} tokens, data.max_length is {self.max_length}"
        if not bad:
            return rows
        named = {f"row {place}, {rows[place]['id']}": reason for place, reason in bad.items()}
        refuse_bad_rows(named, len(rows), key, self.bad_rows)
        return rows.select([place for place in range(len(rows)) if place not in bad])


def dealt(batch: list[int], lengths: list[int], ranks: int) -> list[int]:
    """The batch in an order of which every `ranks`-th row makes shares of about as many tokens: by length, to and fro.

    Example:
        >>> dealt([0, 1, 2, 3], lengths=[5, 9, 6, 8], ranks=2)
        [1, 3, 0, 2]
    """
    if ranks == 1:
        return batch
    rounds = batched(sorted(batch, key=lambda row: -lengths[row]), ranks)
    return [row for number, some in enumerate(rounds) for row in (some if number % 2 == 0 else some[::-1])]
