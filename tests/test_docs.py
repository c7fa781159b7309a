"""What docs/recipe.md says of keys, values and flags is so, and links of all documents lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from loading import cli, plain

import callbacks
from acereason.cli import VERBS, Parser

DOCUMENTS = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
RECIPE = Path("docs/recipe.md")
MISSING = object()


# recipe.md: `data.stages.math_8k.steps: 1200`, `Overlong.reward: 0.0`, `GRPOModule`, `--data.only [aime24]`; each is in
# the file that its section's heading names, or left out there and marked (default)


def sections() -> Iterator[tuple[Path, str]]:
    """(file in the heading, text) of the recipe's sections that are about a file."""
    for section in RECIPE.read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        if found := re.search(r"`(conf/\S+)`", heading):
            yield Path(found[1]), text


@cache
def written(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


@cache
def parsed(path: Path, *flags: str) -> dict:
    """The whole configuration that a file and flags make, defaults included."""
    if verb := VERBS.get(path.parent.name):  # conf/curate, conf/predict
        parser = Parser(parser_mode="omegaconf+")
        parser.add_argument("--config", action="config")
        parser.add_function_arguments(verb)
    else:
        parser = cli().parser
    return parser.parse_args([f"--config={path}", *flags]).as_dict()


def looked_up(config: Any, key: str) -> Any:
    """The value of a dotted key without `init_args`, of a callback's, or MISSING."""
    first, *rest = key.split(".")
    if first in callbacks.__all__:
        listed = {entry["class_path"].rpartition(".")[2]: entry for entry in config["trainer"]["callbacks"]}
        return followed(listed.get(first, MISSING), rest)
    return followed(config, [first, *rest])


def followed(value: Any, names: list[str]) -> Any:
    for name in names:
        inner = value.get("init_args", value) if isinstance(value, dict) and "class_path" in value else value
        if not isinstance(inner, dict) or name not in inner:
            return MISSING
        value = inner[name]
    return value


@cache
def claims() -> list[tuple[Path, str, bool]]:
    """(file, code span, whether it is marked as default) of all sections."""
    spans = ((path, *found) for path, text in sections() for found in re.findall(r"`([^`]+)`( \(default\))?", text))
    return [(path, span, bool(default)) for path, span, default in spans]


def key_claims() -> list[tuple[Path, str, bool]]:
    tops = {path: set(written(path)) | set(callbacks.__all__) for path, _ in sections()}
    told = [(path, span, default) for path, span, default in claims() if not span.startswith("--")]
    return [
        claim
        for claim in told
        if re.match(r"[\w.]+(: .*)?$", claim[1]) and re.split(r"[.:]", claim[1])[0] in tops[claim[0]]
    ]


def test_the_recipe_names_keys_of_every_phase():
    counts = {path: sum(claim[0] == path for claim in key_claims()) for path, _ in sections()}
    assert len(counts) == 5
    assert min(counts.values()) >= 6
    assert sum(counts.values()) > 120


def test_keys_of_the_recipe_have_the_values_that_it_says():
    wrong = []
    for path, span, default in key_claims():
        key, _, value = span.partition(": ")
        found, set_here = looked_up(parsed(path), key), looked_up(written(path), key) is not MISSING
        same = not value or plain(yaml.safe_load(value)) == plain(found)
        if found is MISSING or not same or set_here == default:
            wrong.append(f"{path}: {span} is {found!r}, {'set' if set_here else 'not set'} there")
    assert not wrong


def test_classes_that_the_recipe_names_are_in_the_file():
    named = [(path, span) for path, span, _ in claims() if re.fullmatch(r"\w+(Module|Data)", span)]
    assert len(named) >= 3
    assert not [claim for claim in named if f"class_path: {claim[1]}\n" not in claim[0].read_text()]


def flag_claims() -> dict[Path, list[str]]:
    """All flags of the sections about a file."""
    spans = [(path, span) for path, span, _ in claims() if span.startswith("--") and " " in span]
    return {path: [word for p, span in spans if p == path for word in shlex.split(span)] for path, _ in spans}


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
