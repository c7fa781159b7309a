"""The stage `responses` finds the responses of each kept prompt, in shards of parquet or in the sources' own rows.

Its table has a row for each response, sorted by prompt. The text stays in its file and is found by (origin, row), since
the texts of a large dataset don't fit into memory, and would be copied by every stage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.curation.counting import token_counts
from acereason.curation.origins import ALONE, Origins, worked
from acereason.curation.ratings import LOST
from acereason.curation.read import CHUNK, Opened
from acereason.curation.sources import batches
from acereason.curation.stages import Report
from acereason.curation.tables import DROPPED, Dropped, Prompts, write_dropped
from acereason.data.messages import flaw
from acereason.processes.parallel import in_order

TABLE = "responses.parquet"
SCHEMA = pa.schema(
    {
        "number": pa.int64(),
        "sample": pa.int64(),
        "origin": pa.int32(),
        "row": pa.int64(),
        "status": pa.string(),
        "tokens": pa.int64(),
    }
)
_LOST = ["number", "status", "tokens"]
COLUMNS = ["id", "sample", "response", "status", "tokens", "finish_reason"]


@dataclass
class Responses:
    """The place of the responses, and how they are used."""

    path: str | None = None
    """Folder of parquet shards with the columns id (of the prompt: source/identity, or that behind the name that
    `predict` gave the prompts), sample, response, status (correct, wrong, error or null), tokens (or null) and
    finish_reason; null where there are none."""
    from_sources: bool = False
    """Whether the responses in the sources' own rows are used; those of exact copies go to the kept prompt."""
    tokenizer: str | None = None
    """Tokenizer that measures responses without a count of tokens: a name or folder of Hugging Face's, or bytes."""
    characters_per_token: float = 3.0
    """Characters that make a token where there is no tokenizer, and tokens are estimated."""
    only_rate: bool = False
    """Whether responses only rate how hard their prompts are: the dataset then has prompts alone, rated, as RL needs
    them, solved or not. `verify.keep` and `balance` don't count."""

    def check(self) -> None:
        """Raise a UserError for values that can't work together."""
        if self.path is not None and self.from_sources:
            raise UserError("responses: give path or from_sources, not both")
        if self.only_rate and not self.wanted:
            raise UserError("responses.only_rate: there are no responses; give path or from_sources")

    @property
    def wanted(self) -> bool:
        """Whether there are responses at all."""
        return self.path is not None or self.from_sources

    @property
    def written(self) -> bool:
        """Whether the dataset holds responses."""
        return self.wanted and not self.only_rate

    def lengths(self, texts: Sequence[str | None], known: Sequence[int | None]) -> pa.Array:
        """Return [R] tokens of responses: the known counts, else counted or estimated; 0 for an empty text."""
        return token_counts(texts, known, self.tokenizer, self.characters_per_token)

    def shards(self) -> list[Path]:
        """Return the files of `path`.

        Raises:
            UserError: there are none, or a column is missing.
        """
        if self.path is None:
            return []
        folder = escape(self.path)
        # why: `glob` passes over hidden folders, which `predict` has while it writes shards
        names = glob(f"{folder}/*.parquet") or glob(f"{folder}/*/*.parquet")
        found = [Path(name) for name in sorted(names)]
        if not found:
            raise UserError(f"responses.path: no .parquet file in {self.path}")
        for path in found:
            names = pq.read_schema(path).names
            if missing := [name for name in COLUMNS if name not in names]:
                raise UserError(f"responses.path: {path} has no column {missing[0]!r}; its columns are {sorted(names)}")
        return found


def no_responses(folder: Path, kept: np.ndarray) -> Report:
    """Write the table of a dataset without responses: one row for each prompt."""
    numbers = np.flatnonzero(kept)
    write_alone(folder, numbers)
    pq.write_table(SCHEMA.empty_table().select(_LOST), folder / LOST)
    write_dropped(folder, [])
    return Report("prompts", len(numbers), len(numbers))


def attach(
    folder: Path,
    prompts: Prompts,
    kept: np.ndarray,
    copies: Path,
    origins: Origins,
    config: Responses,
    workers: int,
) -> Report:
    """Write the table of responses, and which kept prompts have none.

    Args:
        folder: folder of the stage.
        prompts: all prompts.
        kept: [P] bool, the prompts that the stages before have kept.
        copies: folder of the stage `deduplicate`.
        origins: the files that hold the responses' texts.
        config: how responses are used.
        workers: number of processes.
    """
    ids = prompts.column("id").combine_chunks()
    if config.from_sources:
        tables = _of_sources(prompts, copies, origins, config, workers)
    else:
        tables = [_of_shard(path, index, ids, config) for index, path in enumerate(origins.shards)]
    table = pa.concat_tables([SCHEMA.empty_table(), *tables])
    reasons: dict[str, int] = {}
    total = len(table)
    table = _drop(table, pc.is_null(table["number"]), "of no known prompt", reasons)
    gone = ~kept[table["number"].to_numpy()]
    table = _drop(table, pa.array(gone), "of a dropped prompt", reasons)
    # why: a negative count marks a cut response and 0 an empty one; both still count in the ratings
    lost = table.filter(pc.less_equal(table["tokens"], 0))
    lost = lost.set_column(5, "tokens", pc.abs(lost["tokens"])).select(_LOST)
    pq.write_table(lost, folder / LOST)
    table = _drop(table, pc.less(table["tokens"], 0), "truncated", reasons)
    table = _drop(table, pc.equal(table["tokens"], 0), "empty", reasons)
    table = table.sort_by([(name, "ascending") for name in ("number", "sample", "origin", "row")])
    # why: shards of two folders, or a copied shard, may hold the same sample twice
    table = _drop(table, pa.array(_repeated(table)), "repeated", reasons)
    write_table(folder, _numbered(table) if config.from_sources else table)
    bare = kept.copy()
    bare[table["number"].to_numpy()] = False
    # why: prompts none of whose responses came to an end are rated all the same, as unsolved
    if config.only_rate:
        bare[lost["number"].to_numpy()] = False
    write_dropped(folder, [Dropped(int(n), "no response", {}) for n in np.flatnonzero(bare)])
    return Report("responses", total, len(table), reasons, {"prompts without": int(bare.sum())})


def read_table(folder: Path) -> pa.Table:
    """Read the responses that a stage left."""
    return pq.read_table(folder / TABLE)


def read_lost(folder: Path) -> pa.Table:
    """Read the responses of kept prompts that were cut or are empty."""
    return pq.read_table(folder / LOST)


def write_alone(folder: Path, numbers: np.ndarray) -> None:
    """Write the table of prompts without responses, with one row for each."""
    zeros = np.zeros(len(numbers), np.int64)
    columns = [numbers, zeros, np.full(len(numbers), ALONE, np.int32), zeros, pa.nulls(len(numbers)), zeros]
    write_table(folder, pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA))


def write_table(folder: Path, table: pa.Table) -> None:
    """Write the responses that a stage leaves."""
    pq.write_table(table, folder / TABLE)


def _drop(table: pa.Table, mask: pa.Array, reason: str, reasons: dict[str, int]) -> pa.Table:
    count = pc.sum(mask).as_py() or 0
    if count:
        reasons[reason] = count
        return table.filter(pc.invert(mask))
    return table


def _numbered(table: pa.Table) -> pa.Table:
    """Return the table with the samples of each prompt numbered from 0, in the order of the rows."""
    number = table["number"].to_numpy()
    return table.set_column(1, "sample", pa.array(ranks(number)))


def ranks(number: np.ndarray) -> np.ndarray:
    """Return [R] the place of each row among the rows of its number, which stand together."""
    places = np.arange(len(number))
    new = np.concatenate([[True], number[1:] != number[:-1]])[: len(number)]
    return places - np.maximum.accumulate(np.where(new, places, 0))


def _repeated(table: pa.Table) -> np.ndarray:
    """Return [R] bool: rows of a sorted table whose prompt and sample are those of the row before."""
    number, sample = table["number"].to_numpy(), table["sample"].to_numpy()
    return np.concatenate([[False], (number[1:] == number[:-1]) & (sample[1:] == sample[:-1])])[: len(table)]


def _of_shard(path: Path, index: int, ids: pa.Array, config: Responses) -> pa.Table:
    """Return the rows of a shard; number is null for an unknown prompt, tokens is negative for a truncated response and
    0 for an empty one."""
    tables = []
    row = 0
    for batch in pq.ParquetFile(path).iter_batches(2000, columns=COLUMNS):
        tokens = _measured(batch["response"].to_pylist(), batch["tokens"].to_pylist(), config)
        tokens = _cut(pc.fill_null(pc.equal(batch["finish_reason"], "length"), False), tokens)
        rows = np.arange(row, row + len(batch))
        row += len(batch)
        columns = [
            _numbers(batch["id"], ids),
            batch["sample"],
            np.full(len(batch), index),
            rows,
            batch["status"],
            tokens,
        ]
        tables.append(pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA))
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _numbers(named: pa.Array, ids: pa.Array) -> pa.Array:
    """Return the prompts' numbers by their ids; null for an unknown id."""
    # why: `predict` puts the name of its own source before the id: `prompts/gsm8k/12` is `gsm8k/12` here
    behind = pc.index_in(pc.replace_substring_regex(named, "^[^/]*/", ""), ids)
    return pc.coalesce(pc.index_in(named, ids), behind)


def _of_sources(prompts: Prompts, copies: Path, origins: Origins, config: Responses, workers: int) -> list[pa.Table]:
    """Return the responses in the sources' rows, a table for each chunk of rows."""
    # why: a response to an exact copy answers the kept prompt, too
    owners = np.arange(len(prompts))
    found = pq.read_table(copies / DROPPED).filter(pc.field("reason") == "exact copy")
    kept = pc.extract_regex(found["evidence"], r'"number": (?P<n>\d+)')
    owners[found["number"].to_numpy()] = pc.struct_field(kept, "n").cast(pa.int64()).to_numpy()
    places = _places(prompts, origins.opened)
    items = [(index, start) for index, entry in enumerate(origins.opened) for start in range(0, len(entry.rows), CHUNK)]
    tables = []
    for (index, start), lengths in zip(
        items, in_order(_measure, (origins.opened, config), items, workers), strict=True
    ):
        numbers = places[index][start : start + CHUNK]
        here = numbers >= 0
        rows = np.arange(start, start + len(numbers))[here]
        owner = owners[numbers[here]]
        origin = np.full(len(rows), len(origins.shards) + index)
        # why: the sample is the number of the row's own prompt for now, which tells responses of copies apart
        columns = [owner, numbers[here], origin, rows, pa.nulls(len(rows)), np.array(lengths)[here]]
        tables.append(pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA))
    return tables


def _places(prompts: Prompts, opened: list[Opened]) -> list[np.ndarray]:
    """Return for each source, in order, the prompt number of each of its rows; -1 where the row was left out."""
    names, rows = prompts.column("source"), prompts.column("row").to_numpy()
    places = []
    for entry in opened:
        numbers = np.flatnonzero(pc.equal(names, entry.name).to_numpy())
        place = np.full(len(entry.rows), -1, np.int64)
        place[rows[numbers]] = numbers
        places.append(place)
    return places


def _measure(shared: tuple[list[Opened], Responses], item: tuple[int, int]) -> list[int]:
    """Return the tokens of the responses in some rows of a source."""
    opened, config = shared
    entry, start = opened[item[0]], item[1]
    end = min(start + CHUNK, len(entry.rows))
    texts = [worked(entry.source, row) for rows in batches(entry.source, entry.rows, start, end) for row in rows]
    return _measured(texts, [None] * len(texts), config).to_pylist()


def _measured(texts: Sequence[str | None], known: Sequence[int | None], config: Responses) -> pa.Array:
    """Return [R] tokens; negative for a response that was cut, 0 for an empty one."""
    cut = [bool(text and text.strip()) and flaw(text or "") is not None for text in texts]
    return _cut(
        pa.array(cut, pa.bool_()), config.lengths([text if text and text.strip() else "" for text in texts], known)
    )


def _cut(mask: pa.Array, tokens: pa.Array) -> pa.Array:
    """Return [R] tokens, negative where the mask says that the response was cut."""
    # why: at least 1 before the sign, since a cut response without a token would else pass for an empty one
    return pc.if_else(mask, pc.negate(pc.max_element_wise(pc.abs(tokens), 1)), tokens)
