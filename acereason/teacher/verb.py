"""`predict`: N responses of a teacher to each prompt, with their verdicts, as shards of parquet."""

import re
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acereason.data.loading import attach_tests
from acereason.data.problems import BadRows, Source, refuse_bad_rows
from acereason.data.prompts import Template
from acereason.errors import UserError
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.teacher.collecting import collect
from acereason.teacher.engine import EngineTeacher, Local
from acereason.teacher.requests import Failed, Request, Teacher
from acereason.teacher.server import Server, ServerTeacher
from acereason.teacher.shards import Store
from acereason.types import Problem, Sampling


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
    """Sample responses from a teacher. A second call goes on where the first was ended, and asks again what failed.

    Exit status: 0; 1 when requests failed; 2 for what can't work.

    Args:
        sources: where prompts come from, by name.
        output: folder of the shards; `config.json` in it tells what it was begun with.
        server: a teacher behind an OpenAI-compatible server; null where there is an engine.
        engine: a teacher on this machine; null where there is a server.
        samples: responses per prompt; may grow from call to call.
        sampling: temperature, nucleus mass and tokens of a response (the paper's evaluation, 4.1).
        template: the prompt's text.
        rewards: how responses are judged, where a source has ground truth.
        bad_rows: what to do with rows whose tests can't be used: `error` or `exclude`, with their list.
        shard: which part of the prompts is this process's: `3/8` is the fourth of eight, with files of its own.
        rows_per_shard: rows of one parquet file.
        seed: of all draws; each request's is a function of it, the problem's id and the sample.
    """
    part, settings = _part(shard), _one_of(server, engine)
    if samples < 1 or rows_per_shard < 1:
        raise UserError("samples, rows_per_shard: must be at least 1")
    identity = {
        "sources": {name: _identity(source) for name, source in sources.items()},
        "teacher": settings.identity(),
        "sampling": asdict(sampling),
        "template": asdict(template),
        "rewards": {"math": asdict(rewards.math), "code": asdict(rewards.code)},
        "seed": seed,
        "shards": part[1],
    }
    # cut source by source, so that a limit that grows moves no problem to another process
    problems = [p for name, source in sources.items() for p in load(source, name, bad_rows)[part[0] :: part[1]]]
    requests = [Request(problem, sample) for problem in problems for sample in range(samples)]
    store = Store(Path(output), part, identity, seed, rows_per_shard)

    def teacher() -> Teacher:
        if isinstance(settings, Server):
            return ServerTeacher(settings, template, sampling, seed)
        return EngineTeacher(settings, template, sampling, seed)

    failures = collect(store, requests, teacher, RewardPool(rewards))
    _report(store, requests, failures)


def load(source: Source, name: str, bad_rows: BadRows) -> list[Problem]:
    """A source's problems with whatever ground truth it has."""
    key = f"sources.{name}"
    rows = source.rows(key)
    problems = [source.problem(row, index, name) for index, row in enumerate(rows)]
    twice = [problem for problem, count in Counter(problem.id for problem in problems).items() if count > 1]
    if twice:
        raise UserError(f"{key}.fields.id: {len(twice)} ids are not unique, first {twice[0]}; name another column")
    bad = attach_tests(source, rows, problems) if source.mapping.tests else {}
    refuse_bad_rows(bad, len(rows), key, bad_rows)
    return [problem for problem in problems if problem.id not in bad]


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
