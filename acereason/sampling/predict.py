"""The verb `predict` samples N responses of a teacher to each prompt, and writes them with verdicts as parquet."""

import re
import sys
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from acereason.common.errors import UserError
from acereason.common.files import check_writable
from acereason.common.journal import RankJournals
from acereason.common.names import check_names
from acereason.common.types import Problem, Sampling
from acereason.data.bad_rows import BadRows, refuse_bad_rows, refuse_twins
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.settings import JUDGE
from acereason.rollouts.hf import HFEngine  # noqa: F401  imported so that the YAML may use short class names
from acereason.rollouts.replay import ReplayEngine  # noqa: F401
from acereason.rollouts.vllm import VLLMEngine  # noqa: F401
from acereason.sampling.collect import collect
from acereason.sampling.request import Failed, Request, Teacher, requests_of
from acereason.sampling.shards import Store
from acereason.sampling.teachers.engine import EngineTeacher, Local
from acereason.sampling.teachers.server import Server, ServerTeacher


def predict(
    sources: dict[str, Source],
    output: str,
    server: Server | None = None,
    engine: Local | None = None,
    samples: int = 1,
    sampling: Sampling = Sampling(0.6, 32768, 0.95),  # noqa: B008  read only
    template: Template = Template(),  # noqa: B008  read only
    rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
    bad_rows: BadRows = "error",
    shard: str = "0/1",
    rows_per_shard: int = 10_000,
    seed: int = 0,
) -> None:
    """Sample responses from a teacher. A second call goes on where the first ended, and repeats failed requests.

    The exit status is 0, 1 when requests failed, or 2 for a mistake in the configuration.

    Args:
        sources: sources of the prompts, by name.
        output: folder of the shards; its `config.json` holds the settings that it was begun with.
        server: a teacher behind an OpenAI-compatible server; null where there is an engine.
        engine: a teacher on this machine; null where there is a server.
        samples: number of responses per prompt; may grow from call to call.
        sampling: temperature, nucleus mass and tokens of a response (the paper's evaluation, 4.1).
        template: template of the prompts.
        rewards: how responses are judged, where a source has ground truth.
        bad_rows: what to do with rows without a statement, or whose ground truth can't be used: `error` stops,
            `exclude` goes on without them; both say how many they are, and show some.
        shard: which part of the prompts is this process's: `3/8` is the fourth of eight, with files of its own.
        rows_per_shard: number of rows in a parquet file.
        seed: seed of all draws; each request's is a function of it, the problem's id and the sample.
    """
    # why: locals, not twelve names once more: at this point they are the arguments alone
    prediction = Prediction(**locals())
    # why: before the sources are read, which may take minutes
    check_writable(Path(output), "output")
    requests = prediction.requests()
    store = Store(Path(output), prediction.part, prediction.identity(), seed, rows_per_shard)
    pool = RewardPool(rewards)
    pool.keep_verdicts(RankJournals(Path(output), JUDGE), prediction.part[0])
    failures = collect(store, requests, prediction.teacher, pool)
    _report(store, requests, failures)


@dataclass
class Prediction:
    """One call of `predict`; its fields are the verb's arguments."""

    sources: dict[str, Source]
    output: str
    server: Server | None
    engine: Local | None
    samples: int
    sampling: Sampling
    template: Template
    rewards: RewardSettings
    bad_rows: BadRows
    shard: str
    rows_per_shard: int
    seed: int

    def __post_init__(self) -> None:
        """Raise a UserError for values that can't work."""
        check_names(self.sources, "sources")
        self.part, self.settings = _part(self.shard), _one_of(self.server, self.engine)
        if self.samples < 1 or self.rows_per_shard < 1:
            raise UserError("samples, rows_per_shard: must be at least 1")
        if not self.sources:
            raise UserError("sources: name at least one")

    def identity(self) -> dict[str, Any]:
        """Return the settings that responses and verdicts depend on."""
        return {
            "sources": {name: _identity(source) for name, source in self.sources.items()},
            "teacher": self.settings.identity(),
            "sampling": asdict(self.sampling),
            "template": asdict(self.template),
            "rewards": {
                "math": asdict(self.rewards.math),
                "code": asdict(self.rewards.code),
                **self.rewards.own_identity(),
            },
            "seed": self.seed,
            "shards": self.part[1],
        }

    def requests(self) -> list[Request]:
        """Return the requests of this process."""
        # why: cut source by source, so that a source's `limit` that grows moves no problem to another process
        first, step = self.part
        loaded = [load(source, name, self.bad_rows)[first::step] for name, source in self.sources.items()]
        return requests_of(chain.from_iterable(loaded), self.samples)

    def teacher(self) -> Teacher:
        """Make the teacher, on a server or on this machine."""
        if isinstance(self.settings, Server):
            return ServerTeacher(self.settings, self.template, self.sampling, self.seed)
        return EngineTeacher(self.settings, self.template, self.sampling, self.seed)


def load(source: Source, name: str, bad_rows: BadRows) -> list[Problem]:
    """Load a source's problems, with ground truth where the source has one."""
    key = f"sources.{name}"
    problems, bad = read_problems(source, name, key, tests=bool(source.mapping.tests))
    refuse_twins(problems, key)
    refuse_bad_rows(bad, len(problems) + len(bad), key, bad_rows)
    return problems


def _report(store: Store, requests: list[Request], failures: list[Failed]) -> None:
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(store.counts().items()))
    print(f"{store.shards}: {store.shard_rows():,} of {len(requests):,} responses: {counts}")
    if failures:
        first = failures[0]
        reason = f"{first.request.problem.id}, sample {first.request.sample}: {first.reason}"
        print(
            f"{len(failures)} requests failed, first {reason}; {store.failures} has all; the same command asks again",
            file=sys.stderr,
        )
        raise SystemExit(1)


def _identity(source: Source) -> dict[str, Any]:
    # why: `limit` may grow from call to call without changing a response
    return {name: value for name, value in asdict(source).items() if name != "limit"}


def _part(shard: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not found or not int(found[1]) < int(found[2]):
        raise UserError(f"shard: must be like 0/8, the first of eight, up to 7/8; not {shard!r}")
    return int(found[1]), int(found[2])


def _one_of(server: Server | None, engine: Local | None) -> Server | Local:
    given = [settings for settings in (server, engine) if settings is not None]
    if len(given) != 1:
        raise UserError("server, engine: give one of them")
    return given[0]
