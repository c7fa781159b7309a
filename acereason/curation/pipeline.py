"""This module runs the stages of `curate` in their order, and hands each the results of the stages before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from acereason import __version__
from acereason.common.errors import UserError
from acereason.common.files import check_writable, write_json
from acereason.common.journal import RankJournals
from acereason.common.locks import locked
from acereason.common.names import check_names
from acereason.common.types import Task
from acereason.curation.balance import Balance, balance
from acereason.curation.card import write_card
from acereason.curation.context import Context
from acereason.curation.decontaminate import Decontamination, decontaminate
from acereason.curation.deduplicate import Deduplication, deduplicate
from acereason.curation.digests import plain
from acereason.curation.filters import Filters, filter_prompts
from acereason.curation.origins import Origins
from acereason.curation.read import read
from acereason.curation.responses import Responses, attach
from acereason.curation.sources import CuratedSource, file_hash, open_sources
from acereason.curation.stages import Report, Stages
from acereason.curation.verify import Verification, verify
from acereason.curation.versions import Size, Versions, check_versions, version
from acereason.curation.write import write
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.settings import JUDGE

_NOT_IN_THE_RESULT = ("output", "workers")


@dataclass
class Curation:
    """One call of `curate`.

    Args:
        output: folder of the dataset: data/, README.md (the data card), manifest.json, and stages/ with the prompts
            that each stage dropped and the reasons.
        sources: sources of the prompts, by name, in the order in which they are preferred: of copies the first stays.
        deduplicate: which prompts count as copies.
        decontaminate: the benchmarks, and when a prompt is too close to one.
        filters: rules on prompts.
        responses: place of the prompts' responses; without any, the dataset has prompts alone, as RL needs.
        verify: which verdicts stay.
        balance: by task, how lengths are balanced; it does nothing without responses.
        versions: by name, the smallest first, the size of each task's part; null is one version with everything.
        rewards: how responses are judged.
        workers: number of processes of the stages that read text; `rewards.workers` is that of judging processes. The
            result depends on neither.
        examples: number of dropped prompts of each reason that a stage's examples.jsonl shows.
        rows_per_file: number of rows in a file of the dataset.
        seed: seed of the balance, the versions and the choice of examples.
    """

    output: str
    sources: dict[str, CuratedSource]
    deduplicate: Deduplication = field(default_factory=Deduplication)
    decontaminate: Decontamination = field(default_factory=Decontamination)
    filters: Filters = field(default_factory=Filters)
    responses: Responses = field(default_factory=Responses)
    verify: Verification = field(default_factory=Verification)
    balance: dict[Task, Balance] | None = None
    versions: Versions | None = None
    rewards: RewardSettings = field(default_factory=RewardSettings)
    workers: int = 2
    examples: int = 20
    rows_per_file: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        self.folder = Path(self.output)
        self.balances: dict[Task, Balance] = self.balance or {}
        self.sizes: Versions = self.versions or {"all": {"math": Size(), "code": Size()}}

    def run(self) -> None:
        """Run every stage, then write manifest and data card."""
        self.check()
        check_writable(self.folder, "output")
        # why: a second call would clear the half-written folders of the first
        with locked(self.folder, "output"):
            self._build()

    def _build(self) -> None:
        sources = open_sources(self.sources, "sources")
        benchmarks = open_sources(self.decontaminate.benchmarks, "decontaminate.benchmarks")
        origins, stages = Origins(self.responses.shards(), sources), Stages(self.folder / "stages")
        pool = RewardPool(self.rewards)
        pool.keep_verdicts(RankJournals(self.folder, JUDGE), rank=0)
        context = Context(stages, sources, benchmarks, origins, pool, self.workers, self.examples, self.seed)
        try:
            for name, inputs, work in self._stages(context):
                stages.run(name, inputs, partial(work, context), self.folder / "data" if name == "write" else None)
        finally:
            pool.close()
        manifest = self._manifest(context)
        write_json(self.folder / "manifest.json", manifest)
        write_card(context, self.folder, manifest)

    def _stages(self, context: Context) -> Iterator[tuple[str, Any, Callable[..., Report]]]:
        """Yield (name, what its result depends on besides the stage before, work) of every stage in order."""
        shown = [self.examples, self.seed]
        yield "read", [[entry.name, entry.source, entry.described()] for entry in context.sources], read
        yield "deduplicate", [self.deduplicate, *shown], partial(deduplicate, config=self.deduplicate)
        benchmarks = [entry.described() for entry in context.benchmarks]
        inputs = [self.decontaminate, benchmarks, *shown]
        yield "decontaminate", inputs, partial(decontaminate, config=self.decontaminate)
        yield "filter", [self.filters, *shown], partial(filter_prompts, config=self.filters)
        # why: by content, so that a shard that has changed under its name is read again
        shards = [[path.name, file_hash(path)] for path in context.origins.shards]
        yield "responses", [self.responses, shards], partial(attach, config=self.responses)
        # why: the settings that decide verdicts alone: another number of processes must redo nothing
        judging = [self.verify, *self._judging().values()]
        yield "verify", judging, partial(verify, config=self.verify, only_rate=self.responses.only_rate)
        # why: without responses a prompt has no length to balance by
        balances = self.balances if self.responses.written else {}
        yield "balance", [balances, self.seed], partial(balance, config=balances)
        yield "version", [list(self.sizes.items()), self.seed], partial(version, versions=self.sizes)
        written = partial(write, versions=list(self.sizes), rows_per_file=self.rows_per_file)
        yield "write", self.rows_per_file, written

    def _judging(self) -> dict[str, Any]:
        settings = {name: getattr(self.rewards, name) for name in ("math", "code", "after_think")}
        return settings | self.rewards.own_identity()

    def _manifest(self, context: Context) -> dict[str, Any]:
        """Return all inputs that decided the dataset, and the hashes of its files, as JSON has them.

        It holds no times, so that the same inputs give the same bytes.
        """
        names = [each.name for each in fields(self) if each.name not in _NOT_IN_THE_RESULT]
        files = sorted((self.folder / "data").rglob("*.parquet"))
        manifest = {
            "versions_of": {"acereason": __version__, "datasets": datasets.__version__},
            "sources": {entry.name: entry.described() for entry in context.sources},
            "benchmarks": {entry.name: entry.described() for entry in context.benchmarks},
            "stages": context.stages.reports,
            "files": {str(path.relative_to(self.folder)): file_hash(path) for path in files},
            "config": {name: getattr(self, name) for name in names}
            | {"balance": self.balances, "versions": self.sizes, "rewards": self._judging()},
        }
        return plain(manifest)

    def check(self) -> None:
        """Raise a UserError for values that can't work."""
        if not self.sources:
            raise UserError("sources: name at least one")
        check_names(self.sources, "sources")
        check_names(self.decontaminate.benchmarks, "decontaminate.benchmarks")
        check_names(self.sizes, "versions")
        for key in ("workers", "rows_per_file"):
            if getattr(self, key) < 1:
                raise UserError(f"{key}: must be at least 1, not {getattr(self, key)}")
        # why: the stage `write` replaces the folder `data`, which might be somebody's own
        data = self.folder / "data"
        if data.exists() and not (data / "stage.json").exists():
            raise UserError(f"output: {data} exists, and curate did not make it; name another folder")
        for part in (self.decontaminate, self.filters, self.responses, self.verify):
            part.check()
        for task, each in self.balances.items():
            each.check(f"balance.{task}")
        check_versions(self.sizes)
