"""The stage `balance` thins the prompts with short responses, then brings lengths to target shares (paper, 3.1.1).

A prompt's length is the median of its responses' tokens. A hash of (seed, prompt id) decides which prompts stay, so
that the choice depends neither on the order of the prompts nor, except through the target shares, on the others.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.types import Task
from acereason.curation.context import TABLE, Context
from acereason.curation.digests import draws, share_of
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, write_dropped


@dataclass
class Balance:
    """How the prompts of one task are balanced by length."""

    short: int = 2000
    """Largest length of a short prompt, in tokens (the paper: around or below 2,000)."""
    keep_short: float = 1.0
    """Share of the short prompts that stays."""
    edges: list[int] = field(default_factory=list)
    """Upper ends of the length buckets, in tokens; the last bucket has no end."""
    shares: list[float] = field(default_factory=list)
    """Target share of prompts in each bucket, one more than edges; as many prompts stay as the shares allow. Empty
    sets no targets."""

    def check(self, key: str) -> None:
        """Raise a UserError for values that can't work; `key` names this balance."""
        if not 0 <= self.keep_short <= 1:
            raise UserError(f"{key}.keep_short: must be in [0, 1], not {self.keep_short:g}")
        if self.edges != sorted(set(self.edges)):
            raise UserError(f"{key}.edges: must rise, not {self.edges}")
        if self.shares and len(self.shares) != len(self.edges) + 1:
            raise UserError(
                f"{key}.shares: {len(self.edges)} edges make {len(self.edges) + 1} buckets, not {len(self.shares)}"
            )
        if self.shares and (min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6):
            raise UserError(f"{key}.shares: must be 0 or more and add up to 1, not {sum(self.shares):g}")


def balance(context: Context, to: Path, config: dict[Task, Balance]) -> Report:
    """Write the responses of the prompts that stay, and the list of the dropped prompts."""
    table = context.responses()
    numbers, lengths = prompt_lengths(table)
    ids, tasks = (context.prompts.values(numbers, name) for name in ("id", "task"))
    drawn = draws(ids, context.seed, "balance")
    dropped: list[Dropped] = []
    for task, each in config.items():
        here = np.flatnonzero(tasks == task)
        dropped += _dropped(numbers[here], lengths[here], drawn[here], each)
    gone = np.isin(table["number"].to_numpy(), [entry.number for entry in dropped])
    pq.write_table(table.filter(pa.array(~gone)), to / TABLE)
    return Report("prompts", len(numbers), len(numbers) - len(dropped), write_dropped(to, dropped))


def prompt_lengths(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return (numbers, median tokens) of the prompts in a table, ascending; of an even count the lower middle."""
    number, tokens = table["number"].to_numpy(), table["tokens"].to_numpy()
    order = np.lexsort((tokens, number))
    numbers, first, counts = np.unique(number[order], return_index=True, return_counts=True)
    return numbers, tokens[order][first + (counts - 1) // 2]


def _dropped(numbers: np.ndarray, lengths: np.ndarray, drawn: np.ndarray, config: Balance) -> list[Dropped]:
    thin = (lengths <= config.short) & (share_of(drawn) >= config.keep_short)
    bucket = np.where(thin, -1, np.searchsorted(config.edges, lengths))
    over = ~thin & beyond_shares(bucket, numbers, drawn, config.shares)
    reasons = {"short responses": thin, "share of its length": over}
    places = [(i, reason) for reason, mask in reasons.items() for i in np.flatnonzero(mask)]
    return [Dropped(int(numbers[i]), reason, {"tokens": int(lengths[i])}) for i, reason in places]


def beyond_shares(bucket: np.ndarray, numbers: np.ndarray, drawn: np.ndarray, shares: list[float]) -> np.ndarray:
    """Return [P] bool: the prompts to drop so that buckets have their shares and as many prompts as possible stay.

    Args:
        bucket: [P] length bucket; -1 for a prompt that is dropped already.
        numbers: [P] prompt numbers.
        drawn: [P] uint64 draws; of a bucket the prompts with the largest are dropped.
        shares: target share of each bucket; empty drops none.
    """
    over = np.zeros(len(bucket), dtype=bool)
    if not shares:
        return over
    counts = np.bincount(bucket[bucket >= 0], minlength=len(shares))
    # why: the bucket that is scarcest for its share bounds the whole
    total = min(count / share for count, share in zip(counts.tolist(), shares, strict=True) if share)
    for index, share in enumerate(shares):
        here = np.flatnonzero(bucket == index)
        ranked = here[np.lexsort((numbers[here], drawn[here]))]
        # why: a product such as 300 * 0.1 may end just below the whole number that it means
        over[ranked[int(total * share + 1e-9) :]] = True
    return over
