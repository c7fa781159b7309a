"""This module turns a study's settings into runs, each identified by what it does, so that arms share equal ones."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acereason.common.configs import check_config
from acereason.common.errors import UserError, did_you_mean
from acereason.common.names import check_names

END = "end"
"""Name of the one moment of a step without `each`."""
_RESUMES = {
    "fit": ["--trainer.logger.save_dir={folder}", "--trainer.logger.name={id}", "--ckpt_path=auto"],
    "test": ["--trainer.default_root_dir={folder}/{id}"],
}
"""Flags by which a verb writes into its run's folder, and goes on with what is there."""
_NAMED = re.compile(r"\{([^{}]+)\}")
"""What may name a step in a flag."""
_FOLDER = re.compile(r"[^=]+=\{([^{}]+)\}/")
"""The beginning of a flag whose value is a path in a step's folder."""
_LARGEST_SEED = 2**32 - 1
"""Of NumPy's generators, which Lightning seeds."""

Arms = Mapping[str, Mapping[str, Sequence[str]]]
"""{arm: {step: further flags}}."""


@dataclass
class StudyStep:
    """A step of every arm."""

    name: str
    """Name of the step. `{NAME}` in flags of later steps is the folder of its run with the same arm and seed."""
    verb: str
    """fit or test."""
    config: str
    """Its YAML file."""
    overrides: list[str] = field(default_factory=list)
    """Further flags, such as `--model.pretrained={sft}/export`."""
    each: dict[str, list[str]] = field(default_factory=dict)
    """Flags by moment: the step is a run of its own for each, such as `test` for every export. No later step can name
    its folder."""
    minutes: float | None = None
    """Minutes that one run is expected to take, until the first one has finished."""
    megabytes: float | None = None
    """Disk that one run is expected to take, until the first one has finished."""


@dataclass(frozen=True)
class Job:
    """One run, which several arms may share."""

    id: str
    """NAME-HASH: the step's name, and a digest of verb, files' contents, flags and the ids of its inputs."""
    step: StudyStep = field(hash=False, compare=False)
    arguments: tuple[str, ...]
    """The command line after `python run.py`."""
    inputs: tuple[str, ...]
    """Ids of the runs that it builds on."""


@dataclass(frozen=True)
class Cell:
    """A place of the study's table before its numbers: which run is of which arm, seed, step and moment."""

    arm: str
    seed: int
    step: str
    moment: str


def plan(steps: Sequence[StudyStep], arms: Arms, seeds: Sequence[int], folder: Path) -> dict[Cell, Job]:
    """Return the run of each cell, seed by seed, in an order in which every run comes after its inputs.

    Raises:
        UserError: a name is unknown or used twice, or a verb has no place in a study.
    """
    _check(steps, arms, seeds)
    cells: dict[Cell, Job] = {}
    for seed in seeds:
        for arm, flags in arms.items():
            inputs: dict[str, str] = {}
            for step in steps:
                for moment, more in moments(step):
                    given = [*step.overrides, *more, *flags.get(step.name, ()), f"--seed_everything={seed}"]
                    cells[Cell(arm, seed, step.name, moment)] = job = _job(step, given, inputs, folder)
                if not step.each:
                    inputs[step.name] = job.id
    return cells


def runs_folder(folder: Path) -> Path:
    """Return the folder of a study's runs."""
    return folder / "runs"


def moments(step: StudyStep) -> Iterator[tuple[str, list[str]]]:
    """Yield the moments at which a step is a run, each with its flags."""
    yield from step.each.items() if step.each else [(END, [])]


def _job(step: StudyStep, flags: list[str], inputs: dict[str, str], folder: Path) -> Job:
    _check_folders(step, flags, inputs)
    flags = [f"--config={step.config}", *flags]
    used = [found for flag in flags for found in _NAMED.findall(flag) if found in inputs]
    # why: by the inputs' ids, not by their paths, so that a study's folder can be moved
    content = [step.verb, [_content(_filled(flag, inputs)) for flag in flags]]
    digest = hashlib.sha256(json.dumps(content).encode(errors="surrogatepass")).hexdigest()[:12]
    run = f"{step.name}-{digest}"
    runs = runs_folder(folder)
    paths = {name: str(runs / found) for name, found in inputs.items()}
    where = [flag.format(folder=runs, id=run) for flag in _RESUMES[step.verb]]
    arguments = (step.verb, *(_filled(flag, paths) for flag in flags), *where)
    return Job(run, step, arguments, tuple(dict.fromkeys(inputs[name] for name in used)))


def _filled(flag: str, values: Mapping[str, str]) -> str:
    """Return a flag with the values of the steps that it names; braces around anything else stay."""
    return _NAMED.sub(lambda found: values.get(found[1], found[0]), flag)


def _check_folders(step: StudyStep, flags: Sequence[str], inputs: Mapping[str, str]) -> None:
    """Raise a UserError for a flag with the folder of a run that isn't an earlier step's."""
    # why only where a path begins: braces have other meanings, as in `--data.template.math={statement}=`
    for flag in flags:
        if (found := _FOLDER.match(flag)) and (name := found[1]) not in inputs:
            known = ", ".join(inputs) or "none"
            raise UserError(f"steps.{step.name}: {flag}: no earlier step {name} with one run; there are {known}")


def _content(flag: str) -> Any:
    """Return what a flag says: of `--config`, the file's content, without its comments."""
    if not flag.startswith("--config="):
        return flag
    path = Path(flag.partition("=")[2])
    if not path.is_file():
        raise UserError(f"steps: no file {path}")
    check_config(path)
    # why: as text, which holds a date that JSON has no form for, and the order of stages
    return repr(yaml.safe_load(path.read_text("utf-8")))


def _check(steps: Sequence[StudyStep], arms: Arms, seeds: Sequence[int]) -> None:
    names = [step.name for step in steps]
    check_names(names, "steps")
    check_names(arms, "arms")
    given: dict[str, list[Any]] = {"steps": names, "arms": list(arms), "seeds": list(seeds)}
    for key, listed in given.items():
        if not listed:
            raise UserError(f"{key}: a study needs at least one")
        if twice := {str(one) for one in listed if listed.count(one) > 1}:
            raise UserError(f"{key}: {', '.join(sorted(twice))} is there twice")
    for seed in seeds:
        if not 0 <= seed <= _LARGEST_SEED:
            raise UserError(f"seeds: {seed} is none; give numbers from 0 to {_LARGEST_SEED}")
    for step in steps:
        check_names(step.each, f"steps.{step.name}.each")
        if step.verb not in _RESUMES:
            raise UserError(f"steps.{step.name}.verb: a study's steps are {' or '.join(_RESUMES)}, not {step.verb}")
    for arm, flags in arms.items():
        for name in set(flags) - set(names):
            raise UserError(f"arms.{arm}: no step {name}; {did_you_mean(name, names) or f'there are {names}'}")
