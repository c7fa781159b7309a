"""What docs/recipe.md says of keys, values and flags is so, and links of all documents lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml

from acereason.algorithm.objective import group_advantages
from tests.support.claims import Claim, fault, parsed, spans
from tests.support.command_line import plain

DOCUMENTS = [Path("README.md"), Path("acereason/sandbox/README.md"), *sorted(Path("docs").glob("*.md"))]
RECIPE = Path("docs/recipe.md")


# recipe.md: `data.stages.math_8k.steps: 1200`, `Overlong.reward: 0.0`, `GRPOModule`, `--data.only [aime24]`; each is in
# the file that its section's heading names, or left out there and marked (default)


def sections() -> Iterator[tuple[Path, str]]:
    """(file in the heading, text) of the recipe's sections that are about a file."""
    for section in RECIPE.read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        if found := re.search(r"`(conf/\S+)`", heading):
            yield Path(found[1]), text


@cache
def claims() -> list[Claim]:
    """All code spans of the sections about a file."""
    return [claim for path, text in sections() for claim in spans(path, text)]


def key_claims() -> list[Claim]:
    return [claim for claim in claims() if not claim.span.startswith("--") and claim.names_a_key]


def test_the_recipe_names_keys_of_every_phase():
    counts = {path: sum(claim.path == path for claim in key_claims()) for path, _ in sections()}
    assert len(counts) == 5
    assert min(counts.values()) >= 6
    assert sum(counts.values()) > 120


def test_keys_of_the_recipe_have_the_values_that_it_says():
    assert not [told for claim in key_claims() if (told := fault(claim))]


def test_classes_that_the_recipe_names_are_in_the_file():
    named = [claim for claim in claims() if re.fullmatch(r"\w+(Module|Data)", claim.span)]
    assert len(named) >= 3
    assert not [claim for claim in named if f"class_path: {claim.span}\n" not in claim.path.read_text()]


def flag_claims() -> dict[Path, list[str]]:
    """All flags of the sections about a file."""
    told = [claim for claim in claims() if claim.span.startswith("--") and " " in claim.span]
    words = {path: [claim.span for claim in told if claim.path == path] for path, _ in sections()}
    return {path: [word for span in found for word in shlex.split(span)] for path, found in words.items() if found}


def one_by_one(flags: list[str]) -> Iterator[str]:
    """The flags with those of whole stages taken apart, so that one command line can have all of them."""
    for name, value in zip(flags[::2], flags[1::2], strict=True):
        if name == "--data.stages":
            settings = [(stage, *pair) for stage, entry in yaml.safe_load(value).items() for pair in entry.items()]
            yield from (f"{name}.{stage}.{key}={told}" for stage, key, told in settings)
        else:
            yield f"{name}={value}"


def test_flags_of_the_recipe_are_taken():
    for path, flags in flag_claims().items():
        assert parsed(path, *one_by_one(flags)) != parsed(path)


def test_flags_of_the_recipe_name_what_is_in_the_file():
    known = parsed(Path("conf/rl/qwen2.5-math-7b.yaml"))["data"]["init_args"]["stages"]
    flags = flag_claims()[Path("conf/rl/qwen2.5-math-7b.yaml")]
    stages = [yaml.safe_load(value) for name, value in zip(flags, flags[1:], strict=False) if name == "--data.stages"]
    assert len(stages) > 8
    assert {name for entry in stages for name in entry} == set(known)
    exports = {Path(word).name for word in flags if "/rl/exports/" in word}
    assert exports < set(known)


def test_an_ablation_leaves_the_stages_that_it_names_with_their_values():
    data = parsed(Path("conf/rl/qwen2.5-math-7b.yaml"), "--data.stages={math_16k: {overlong: penalize}}")["data"]
    (stage,) = plain(data["init_args"]["stages"]).values()
    assert (stage["overlong"], stage["max_response_length"], stage["steps"]) == ("penalize", 16384, 500)


# the table of rewards for truncated responses

REWARDS = {
    "3, 2, 3": [("penalize", 0.0), ("penalize", -1.0)],
    "0, 5, 3": [("penalize", 0.0), ("penalize", -1.0)],
    "5, 0, 3": [("penalize", 0.0), ("penalize", -1.0)],
    "3, 2, 3 under `mask`": [("mask", 0.0)],
    "5, 0, 3 under `mask`": [("mask", 0.0)],
}


def advantages(counts: str, policy: str, reward: float) -> list[float]:
    """Of a correct, a wrong and a truncated response in a group of so many of each, rounded; those that are there."""
    correct, wrong, truncated = map(int, counts.split(" under")[0].split(", "))
    in_baseline = [True] * (correct + wrong) + [policy != "mask"] * truncated
    rewards = [1.0] * correct + [0.0] * wrong + [reward] * truncated
    found = group_advantages(torch.tensor(rewards), torch.tensor(in_baseline)).tolist()
    kinds = ["c"] * correct + ["w"] * wrong + ["t"] * truncated
    kept = {kind: advantage for kind, advantage, enters in zip(kinds, found, in_baseline, strict=True) if enters}
    return [round(value, 3) for value in kept.values()]


def test_advantages_of_truncated_responses():
    text = RECIPE.read_text().split("| correct, wrong, truncated |")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in text.splitlines()[2:]]
    assert [row[0] for row in rows] == list(REWARDS)
    for counts, *cells in rows:
        for cell, case in zip(cells, REWARDS[counts], strict=False):
            numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", cell)]
            assert "the same" in cell or numbers == pytest.approx(advantages(counts, *case), abs=1e-3), (counts, case)
    assert advantages("5, 0, 3", *REWARDS["5, 0, 3"][0]) == advantages("5, 0, 3", *REWARDS["5, 0, 3"][1])


# metrics


def test_every_metric_has_its_line():
    """docs/report.md lists what the code logs, and nothing else."""
    groups = "reward|response|refill|policy|time|sync|stage|throughput"
    code = "".join(path.read_text() for folder in ("acereason", "callbacks") for path in Path(folder).rglob("*.py"))
    logged = set(re.findall(rf'"((?:{groups})/\w+)"', code)) - {"response/length", "reward/pass_rate"}  # histograms
    section = Path("docs/report.md").read_text().split("\n## Metrics")[1].split("\n## ")[0]
    assert set(re.findall(rf"`((?:{groups})/\w+)`", section)) == logged
    assert len(logged) > 25


# links


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def without_code(path: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
            assert anchor in map(slug, headings), target
