"""This module runs the stages of `curate` in their order, and hands each the results of the stages before."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from acereason.common.errors import UserError
from acereason.common.files import check_writable, write_json
from acereason.common.locks import locked
from acereason.common.names import check_names
from acereason.common.types import Task
from acereason.curation.balance import Balance, balance
from acereason.curation.card import write_card
from acereason.curation.decontaminate import Decontamination, decontaminate
from acereason.curation.deduplicate import Deduplication, deduplicate
from acereason.curation.filters import Filters, filter_prompts
from acereason.curation.manifest import described, manifest
from acereason.curation.origins import Origins
from acereason.curation.ratings import read_ratings
from acereason.curation.read import Opened, open_sources, read
from acereason.curation.responses import Responses, attach, no_responses, read_lost, read_table
from acereason.curation.sources import CuratedSource, file_hash, resolve
from acereason.curation.stages import Stages
from acereason.curation.tables import Prompts, kept_after
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
        opened = open_sources(resolve(self.sources, "sources"), "sources")
        benchmarks = open_sources(
            resolve(self.decontaminate.benchmarks, "decontaminate.benchmarks"), "decontaminate.benchmarks"
        )
        origins = Origins(self.responses.shards(), opened)
        stages = Stages(self.output / "stages")
        pool = RewardPool(self.rewards)
        try:
            prompts, kept = self._choose_prompts(stages, opened, benchmarks, pool)
            self._choose_responses(stages, prompts, kept, origins, pool)
        finally:
            pool.close()
        told = manifest(self.output, self._config(), {"sources": opened, "benchmarks": benchmarks}, stages.reports)
        write_json(self.output / "manifest.json", told)
        write_card(self.output, told, read_table(stages.folders["version"]), prompts)

    def _choose_prompts(
        self, stages: Stages, opened: list[Opened], benchmarks: list[Opened], pool: RewardPool
    ) -> tuple[Prompts, np.ndarray]:
        """Run read, deduplicate, decontaminate and filter; return the prompts, and [P] bool of those that are left."""
        inputs = [[entry.name, entry.source, described(entry)] for entry in opened]
        prompts = Prompts(stages.run("read", inputs, lambda to: read(to, opened, self.workers)))
        shown = (self.examples, self.seed)

        def kept() -> np.ndarray:
            # why: without the first stage, `read`, which drops no prompts
            return kept_after(len(prompts), list(stages.folders.values())[1:])

        stages.run(
            "deduplicate",
            [self.deduplicate, *shown],
            lambda to: deduplicate(to, prompts, self.deduplicate, self.workers, *shown),
        )
        stages.run(
            "decontaminate",
            [self.decontaminate, [described(entry) for entry in benchmarks], *shown],
            lambda to: decontaminate(to, prompts, kept(), benchmarks, self.decontaminate, self.workers, *shown),
        )
        stages.run(
            "filter",
            [self.filters, *shown],
            lambda to: filter_prompts(to, prompts, kept(), self.filters, pool, *shown),
        )
        return prompts, kept()

    def _choose_responses(
        self, stages: Stages, prompts: Prompts, kept: np.ndarray, origins: Origins, pool: RewardPool
    ) -> None:
        """Run responses, verify, balance, version and write."""
        copies = stages.folders["deduplicate"]
        # why: by content, so that a shard that has changed under its name is read again
        inputs = [[path.name, file_hash(path)] for path in origins.shards]
        table = stages.run(
            "responses",
            [self.responses, inputs],
            lambda to: (
                attach(to, prompts, kept, copies, origins, self.responses, self.workers)
                if self.responses.wanted
                else no_responses(to, kept)
            ),
        )
        # why: the settings that decide verdicts alone: another number of processes must redo nothing
        judging = [self.verify, self.rewards.math, self.rewards.code, self.rewards.after_think]
        judging += [own] if (own := self.rewards.own_identity()) else []
        parts = stages.parts("verify", judging)
        verified = stages.run(
            "verify",
            judging,
            lambda to: verify(
                to,
                read_table(table),
                read_lost(table),
                prompts,
                origins,
                self.verify,
                self.responses.only_rate,
                pool,
                parts,
            ),
        )
        # why: without responses a prompt has no length to balance by
        balances = self.balance if self.responses.written else {}
        balanced = stages.run(
            "balance",
            [balances, self.seed],
            lambda to: balance(to, read_table(verified), prompts, balances, self.seed),
        )
        versioned = stages.run(
            "version",
            [list(self.versions.items()), self.seed],
            lambda to: version(to, read_table(balanced), prompts, self.versions, self.seed),
        )
        stages.run(
            "write",
            self.rows_per_file,
            lambda to: write(
                to,
                read_table(versioned),
                prompts,
                origins,
                read_ratings(verified),
                list(self.versions),
                self.rows_per_file,
            ),
            self.output / "data",
        )

    def _config(self) -> dict[str, Any]:
        """Return the settings that decide the result."""
        config = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_IN_THE_RESULT}
        names = ("math", "code", "after_think")
        rewards = {name: getattr(self.rewards, name) for name in names}
        return config | {"rewards": rewards | self.rewards.own_identity()}

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
