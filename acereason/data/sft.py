"""The data module of supervised fine-tuning: rows of a prompt and a response."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets

from acereason.common.errors import UserError
from acereason.common.names import check_names
from acereason.common.seeds import shuffled
from acereason.data.bad_rows import BadRows, refuse_bad_rows
from acereason.data.loader import Loader, batched
from acereason.data.policy import Policy
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.tokens import Tokenized, open_tokens
from acereason.processes.distributed import gather, rank, world_size


class SFTData(pl.LightningDataModule):
    """Serves tokenized prompts and responses; the loss is on the response alone.

    A response is learnt without the end tokens that it brings, and with `<think>` once, counting the prompt's. Where
    the prompt opens thoughts and a response has none, they are closed at once.

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
        bad_rows: what to do with rows that are longer, have no statement, or whose response is empty or was cut while
            it was thinking: `error` stops, `exclude` goes on without them; both tell how many they are, and show some.
            Rows may share an id: they are responses to one prompt.
        seed: of the order of rows.
        workers: processes that tokenize.
    """

    trainer: pl.Trainer

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
        self.policy: Policy
        """The module, which `Trainer.connect` names."""
        self.sources, self.heldout = sources, heldout or {}
        check_names(self.sources, "data.sources")
        check_names(self.heldout, "data.heldout")
        self.batch_size, self.max_length = batch_size, max_length
        self.template, self.bad_rows, self.seed, self.workers = template, bad_rows, seed, workers
        self._prepared: dict[tuple[str, str], Path] | Exception | None = None
        """The folders of tokens by (kind, name), or the error of making them; None if another process made them."""
        self._heldout: dict[str, Dataset] = {}
        self._rows: Dataset
        self._lengths: np.ndarray

    def prepare_data(self) -> None:
        """Tokenize the sources of the run, in one process of each machine; Lightning makes the others wait."""
        # why: an error waits for `setup`, where all ranks raise it: here they would wait for one that has left
        try:
            self._prepared = self._tokenize(self.trainer.state.fn == "fit")
        except (UserError, OSError) as error:
            self._prepared = error

    def setup(self, stage: str) -> None:
        """Open the tokens that were made on this machine, without the rows that can't be learnt."""
        prepared = gather([self._prepared])
        for error in prepared:
            if isinstance(error, Exception):
                raise error
        # why: ranks are numbered machine by machine, and the first of each has the folders: the last before this one
        mine = prepared[: rank() + 1]
        folders = [each for each in mine if isinstance(each, dict)][-1]
        rows = {
            (kind, name): self.usable(folders[kind, name], f"data.{kind}.{name}")
            for kind, name, _ in self._used(stage == "fit")
        }
        self._heldout = {name: rows["heldout", name] for name in self.heldout}
        if stage == "fit":
            self._rows = concatenate_datasets([rows["sources", name] for name in self.sources])
            self._lengths = lengths_of(self._rows)

    def _tokenize(self, training: bool) -> dict[tuple[str, str], Path]:
        self.template.check(self.policy.tokenizer)
        if training:
            self.check()
        return {
            (kind, name): self.tokenized(name, source).make(f"data.{kind}.{name}", self.workers)
            for kind, name, source in self._used(training)
        }

    def check(self) -> None:
        """Raise a UserError for values that can't work."""
        if self.trainer.reload_dataloaders_every_n_epochs != 1:
            raise UserError("trainer.reload_dataloaders_every_n_epochs: must be 1, every epoch has an order of its own")
        if not self.sources:
            raise UserError("data.sources: name at least one")
        for name in ("batch_size", "max_length", "workers"):
            if getattr(self, name) < 1:
                raise UserError(f"data.{name}: must be at least 1, not {getattr(self, name)}")

    def train_dataloader(self) -> Loader[dict[str, Any]]:
        """Return this epoch's rows, in an order that depends on (seed, epoch)."""
        order = shuffled(range(len(self._rows)), self.seed, "order", self.trainer.current_epoch)
        batches = [dealt(batch, self._lengths, world_size()) for batch in batched(order, self.batch_size)]
        return Loader(_own(batches), self._rows.__getitem__)

    def val_dataloader(self) -> list[Loader[dict[str, Any]]]:
        """Return a loader for each held-out source."""
        return [
            Loader(_own(batched(list(range(len(rows))), self.batch_size)), rows.__getitem__)
            for rows in self._heldout.values()
        ]

    test_dataloader = val_dataloader

    def tokenized(self, name: str, source: Source) -> Tokenized:
        """Return the object that tokenizes a source's rows."""
        return Tokenized(source, name, self.template, self.policy.tokenizer)

    def usable(self, folder: Path, key: str) -> Dataset:
        """Return the tokenized rows of a folder that can be learnt. `key` names their source in errors."""
        rows = open_tokens(folder)
        reasons, lengths = rows.data.column("bad"), lengths_of(rows)
        good = pc.is_null(reasons).to_numpy() & (lengths <= self.max_length)
        bad = {}
        # why: by place, not by id, which several responses to a prompt share
        for place in np.flatnonzero(~good).tolist():
            long = f"{lengths[place]} tokens, data.max_length is {self.max_length}"
            bad[f"row {place}, {rows[place]['id']}"] = reasons[place].as_py() or long
        refuse_bad_rows(bad, len(rows), key, self.bad_rows)
        rows = rows.remove_columns("bad")
        return rows.select(np.flatnonzero(good)) if bad else rows

    def _used(self, training: bool) -> Iterator[tuple[str, str, Source]]:
        """Yield (kind, name, source) of the sources in use."""
        for kind, sources in {"sources": self.sources if training else {}, "heldout": self.heldout}.items():
            for name, source in sources.items():
                yield kind, name, source


def lengths_of(rows: Dataset) -> np.ndarray:
    """Return the number of tokens of each row [N], prompt and response."""
    return rows.with_format("numpy", columns=["length"])["length"][:]


def dealt(batch: list[int], lengths: Sequence[int] | np.ndarray, ranks: int) -> list[int]:
    """Order a batch so that shares of every `ranks`-th row have about as many tokens: by length, to and fro.

    Example:
        >>> dealt([0, 1, 2, 3], lengths=[5, 9, 6, 8], ranks=2)
        [1, 3, 0, 2]
    """
    if ranks == 1:
        return batch
    # why: every second round is reversed: the rank with the longest row of one gets the shortest of the next
    rounds = batched(sorted(batch, key=lambda row: -lengths[row]), ranks)
    return [row for number, some in enumerate(rounds) for row in (some if number % 2 == 0 else some[::-1])]


def _own(batches: list[list[int]]) -> list[list[int]]:
    """Return this rank's share of each batch."""
    return [batch[rank() :: world_size()] for batch in batches]
