"""This module runs the stages of `curate` in their order, and hands each the results of the stages before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from acereason import __version__
from acereason.common.errors import UserError
from acereason.common.files import check_writable, write_json
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
from acereason.curation.versions import Versions, check_versions, version
from acereason.curation.write import write
from acereason.rewards.pool import RewardPool, RewardSettings

_NOT_IN_THE_RESULT = ("output", "workers")


@dataclass
class Curation:
    """One call of `curate`; its fields are the verb's arguments."""

    output: Path
    sources: dict[str, CuratedSource]
    deduplicate: Deduplication
    decontaminate: Decontamination
    filters: Filters
    responses: Responses
    verify: Verification
    balance: dict[Task, Balance]
    versions: Versions
    rewards: RewardSettings
    workers: int
    examples: int
    rows_per_file: int
    seed: int

    def run(self) -> None:
        """Run every stage, then write manifest and data card."""
        self.check()
        check_writable(self.output, "output")
        # why: a second call would clear the half-written folders of the first
        with locked(self.output, "output"):
            self._build()

    def _build(self) -> None:
        sources = open_sources(self.sources, "sources")
        benchmarks = open_sources(self.decontaminate.benchmarks, "decontaminate.benchmarks")
        origins, stages = Origins(self.responses.shards(), sources), Stages(self.output / "stages")
        pool = RewardPool(self.rewards)
        context = Context(stages, sources, benchmarks, origins, pool, self.workers, self.examples, self.seed)
        try:
            for name, inputs, work in self._stages(context):
                stages.run(name, inputs, partial(work, context), self.output / "data" if name == "write" else None)
        finally:
            pool.close()
        manifest = self._manifest(context)
        write_json(self.output / "manifest.json", manifest)
        write_card(context, self.output, manifest)

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
        balances = self.balance if self.responses.written else {}
        yield "balance", [balances, self.seed], partial(balance, config=balances)
        yield "version", [list(self.versions.items()), self.seed], partial(version, versions=self.versions)
        written = partial(write, versions=list(self.versions), rows_per_file=self.rows_per_file)
        yield "write", self.rows_per_file, written

    def _judging(self) -> dict[str, Any]:
        return {name: getattr(self.rewards, name) for name in ("math", "code", "after_think")}

    def _manifest(self, context: Context) -> dict[str, Any]:
        """Return all inputs that decided the dataset, and the hashes of its files, as JSON has them.

        It holds no times, so that the same inputs give the same bytes.
        """
        names = [each.name for each in fields(self) if each.name not in _NOT_IN_THE_RESULT]
        files = sorted((self.output / "data").rglob("*.parquet"))
        manifest = {
            "versions_of": {"acereason": __version__, "datasets": datasets.__version__},
            "sources": {entry.name: entry.described() for entry in context.sources},
            "benchmarks": {entry.name: entry.described() for entry in context.benchmarks},
            "stages": context.stages.reports,
            "files": {str(path.relative_to(self.output)): file_hash(path) for path in files},
            "config": {name: getattr(self, name) for name in names} | {"rewards": self._judging()},
        }
        return plain(manifest)

    def check(self) -> None:
        """Raise a UserError for values that can't work."""
        if not self.sources:
            raise UserError("sources: name at least one")
        check_names(self.sources, "sources")
        check_names(self.decontaminate.benchmarks, "decontaminate.benchmarks")
        check_names(self.versions, "versions")
        for key in ("workers", "rows_per_file"):
            if getattr(self, key) < 1:
                raise UserError(f"{key}: must be at least 1, not {getattr(self, key)}")
        # why: the stage `write` replaces the folder `data`, which might be somebody's own
        data = self.output / "data"
        if data.exists() and not (data / "stage.json").exists():
            raise UserError(f"output: {data} is there and not of a curation; name another folder")
        for part in (self.decontaminate, self.filters, self.responses, self.verify):
            part.check()
        for task, each in self.balance.items():
            each.check(f"balance.{task}")
        check_versions(self.versions)
