"""The stage `responses` finds the responses of each kept prompt, in shards of parquet or in the sources' own rows.

Its table has a row for each response, sorted by prompt. The text stays in its file and is found by (origin, row), since
the texts of a large dataset don't fit into memory, and would be copied by every stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.curation.context import LOST, TABLE, Context
from acereason.curation.counting import token_counts
from acereason.curation.origins import ALONE, worked
from acereason.curation.read import CHUNK, chunks
from acereason.curation.sources import Opened
from acereason.curation.stages import Report
from acereason.curation.tables import DROPPED, Dropped, write_dropped
from acereason.data.messages import flaw
from acereason.processes.parallel import in_order

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

    def lengths(self, texts: Sequence[str], known: Sequence[int | None]) -> list[int]:
        """Return the tokens of responses: the known counts, else counted or estimated; 0 for an empty text."""
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


def attach(context: Context, to: Path, config: Responses) -> Report:
    """Write the table of responses, and which kept prompts have none; one row for each prompt without responses."""
    kept = context.kept()
    if not config.wanted:
        pq.write_table(SCHEMA.empty_table().select(_LOST), to / LOST)
        write_dropped(to, [])
        write_alone(to, np.flatnonzero(kept))
        return Report("prompts", int(kept.sum()), int(kept.sum()))
    tables = _of_sources(context, config) if config.from_sources else _of_shards(context, config)
    table = pa.concat_tables([SCHEMA.empty_table(), *tables])
    reasons: dict[str, int] = {}
    total = len(table)
    table = _drop(table, pc.is_null(table["number"]), "of no known prompt", reasons)
    gone = ~kept[table["number"].to_numpy()]
    table = _drop(table, pa.array(gone), "of a dropped prompt", reasons)
    # why: a negative count marks a cut response and 0 an empty one; both still count in the ratings
    lost = table.filter(pc.less_equal(table["tokens"], 0))
    lost = lost.set_column(5, "tokens", pc.abs(lost["tokens"])).select(_LOST)
    pq.write_table(lost, to / LOST)
    table = _drop(table, pc.less(table["tokens"], 0), "truncated", reasons)
    table = _drop(table, pc.equal(table["tokens"], 0), "empty", reasons)
    table = table.sort_by([(name, "ascending") for name in ("number", "sample", "origin", "row")])
    # why: shards of two folders, or a copied shard, may hold the same sample twice
    table = _drop(table, pa.array(_repeated(table)), "repeated", reasons)
    if config.from_sources:
        table = table.set_column(1, "sample", pa.array(ranks(table["number"].to_numpy())))
    pq.write_table(table, to / TABLE)
    bare = kept.copy()
    bare[table["number"].to_numpy()] = False
    # why: prompts none of whose responses came to an end are rated all the same, as unsolved
    if config.only_rate:
        bare[lost["number"].to_numpy()] = False
    write_dropped(to, [Dropped(int(n), "no response", {}) for n in np.flatnonzero(bare)])
    return Report("responses", total, len(table), reasons, {"prompts without": int(bare.sum())})


def write_alone(to: Path, numbers: np.ndarray) -> None:
    """Write the table of prompts without responses, with one row for each."""
    pq.write_table(_table(numbers, 0, ALONE, 0, None, 0), to / TABLE)


def _table(number: Any, sample: Any, origin: Any, row: Any, status: Any, tokens: Any) -> pa.Table:
    """Return a table of responses; a column may be one value for all rows."""
    size = len(number)
    columns = [
        values if hasattr(values, "__len__") else pa.repeat(pa.scalar(values, field.type), size)
        for values, field in zip((number, sample, origin, row, status, tokens), SCHEMA, strict=True)
    ]
    return pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _drop(table: pa.Table, mask: pa.Array, reason: str, reasons: dict[str, int]) -> pa.Table:
    count = pc.sum(mask).as_py() or 0
    if count:
        reasons[reason] = count
        return table.filter(pc.invert(mask))
    return table


def ranks(number: np.ndarray) -> np.ndarray:
    """Return [R] the place of each row among the rows of its number, which stand together."""
    places = np.arange(len(number))
    new = np.concatenate([[True], number[1:] != number[:-1]])[: len(number)]
    return places - np.maximum.accumulate(np.where(new, places, 0))


def _repeated(table: pa.Table) -> np.ndarray:
    """Return [R] bool: rows of a sorted table whose prompt and sample are those of the row before."""
    number, sample = table["number"].to_numpy(), table["sample"].to_numpy()
    return np.concatenate([[False], (number[1:] == number[:-1]) & (sample[1:] == sample[:-1])])[: len(table)]


def _of_shards(context: Context, config: Responses) -> Iterator[pa.Table]:
    """Yield the rows of the shards, some at a time.

    `number` is null for an unknown prompt; `tokens` is negative for a truncated response and 0 for an empty one.
    """
    ids = context.prompts.column("id").combine_chunks()
    for origin, path in enumerate(context.origins.shards):
        row = 0
        for batch in pq.ParquetFile(path).iter_batches(2000, columns=COLUMNS):
            cut = pc.fill_null(pc.equal(batch["finish_reason"], "length"), False).to_pylist()
            tokens = _measured(batch["response"].to_pylist(), batch["tokens"].to_pylist(), cut, config)
            rows = np.arange(row, row + len(batch))
            yield _table(_numbers(batch["id"], ids), batch["sample"], origin, rows, batch["status"], tokens)
            row += len(batch)


def _numbers(named: pa.Array, ids: pa.Array) -> pa.Array:
    """Return the prompts' numbers by their ids; null for an unknown id."""
    # why: `predict` puts the name of its own source before the id: `prompts/gsm8k/12` is `gsm8k/12` here
    behind = pc.index_in(pc.replace_substring_regex(named, "^[^/]*/", ""), ids)
    return pc.coalesce(pc.index_in(named, ids), behind)


def _of_sources(context: Context, config: Responses) -> Iterator[pa.Table]:
    """Yield the responses in the rows of each source."""
    prompts, sources, owners = context.prompts, context.sources, _owners(context)
    tokens: list[list[int]] = [[] for _ in sources]
    items = chunks(sources)
    for (index, _), measured in zip(items, in_order(_measure, (sources, config), items, context.workers), strict=True):
        tokens[index] += measured
    names, rows = prompts.column("source"), prompts.column("row").to_numpy()
    for index, entry in enumerate(sources):
        numbers = np.flatnonzero(pc.equal(names, entry.name).to_numpy())
        here = rows[numbers]
        # why: the sample is the number of the row's own prompt for now, which tells responses of copies apart
        yield _table(owners[numbers], numbers, index, here, None, np.array(tokens[index], np.int64)[here])


def _owners(context: Context) -> np.ndarray:
    """Return [P] the prompt that each prompt's responses go to: of exact copies the one that was kept."""
    owners = np.arange(len(context.prompts))
    copies = pq.read_table(context.stages.folders["deduplicate"] / DROPPED).filter(pc.field("reason") == "exact copy")
    kept = pc.extract_regex(copies["evidence"], r'"number": (?P<n>\d+)')
    owners[copies["number"].to_numpy()] = pc.struct_field(kept, "n").cast(pa.int64()).to_numpy()
    return owners


def _measure(shared: tuple[list[Opened], Responses], item: tuple[int, int]) -> list[int]:
    """Return the tokens of the responses in some rows of a source."""
    (sources, config), (index, start) = shared, item
    entry = sources[index]
    texts = [worked(entry.source, row) for row in entry.between(start, min(start + CHUNK, len(entry.rows)))]
    return _measured(texts, [None] * len(texts), [False] * len(texts), config)


def _measured(
    texts: Sequence[str | None], known: Sequence[int | None], cut: Sequence[bool], config: Responses
) -> list[int]:
    """Return the tokens of responses; negative for one that was cut, 0 for an empty one."""
    shown = [text if text and text.strip() else "" for text in texts]
    counts = zip(shown, cut, config.lengths(shown, known), strict=True)
    # why: at least 1 before the sign, since a cut response without a token would else pass for an empty one
    return [-max(1, tokens) if is_cut or text and flaw(text) else tokens for text, is_cut, tokens in counts]
