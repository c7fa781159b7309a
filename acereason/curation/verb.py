"""The verb `curate` builds dataset versions from sources."""

from pathlib import Path
from typing import Any

from acereason.common.types import Task
from acereason.curation.balance import Balance
from acereason.curation.decontaminate import Decontamination
from acereason.curation.deduplicate import Deduplication
from acereason.curation.filters import Filters
from acereason.curation.pipeline import Curation
from acereason.curation.responses import Responses
from acereason.curation.sources import CuratedSource
from acereason.curation.verify import Verification
from acereason.curation.versions import Size
from acereason.rewards.pool import RewardSettings

_EVERYTHING: dict[str, dict[Task, Size]] = {"all": {"math": Size(), "code": Size()}}


def curate(
    output: str,
    sources: dict[str, CuratedSource],
    deduplicate: Deduplication = Deduplication(),  # noqa: B008  read only
    decontaminate: Decontamination = Decontamination(),  # noqa: B008
    filters: Filters = Filters(),  # noqa: B008
    responses: Responses = Responses(),  # noqa: B008
    verify: Verification = Verification(),  # noqa: B008
    balance: dict[Task, Balance] | None = None,
    versions: dict[str, dict[Task, Size]] | None = None,
    rewards: RewardSettings = RewardSettings(),  # noqa: B008
    workers: int = 2,
    examples: int = 20,
    rows_per_file: int = 20_000,
    seed: int = 0,
) -> None:
    """Build the versions of a dataset from sources.

    A second call skips the stages that are done; a change redoes its stage and all after it.

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
    curation_of(
        output=output,
        sources=sources,
        deduplicate=deduplicate,
        decontaminate=decontaminate,
        filters=filters,
        responses=responses,
        verify=verify,
        balance=balance,
        versions=versions,
        rewards=rewards,
        workers=workers,
        examples=examples,
        rows_per_file=rows_per_file,
        seed=seed,
    ).run()
    print(f"{output}/README.md tells what is in it")


def curation_of(
    *,
    output: str,
    balance: dict[Task, Balance] | None,
    versions: dict[str, dict[Task, Size]] | None,
    **others: Any,
) -> Curation:
    """Return the curation that the verb's arguments ask for."""
    return Curation(output=Path(output), balance=balance or {}, versions=versions or _EVERYTHING, **others)
