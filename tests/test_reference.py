"""docs/reference.md is what the code says, and has all of it."""

import pytest
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.callbacks import Callback

from acereason.modules.base import QwenModule
from acereason.rollouts.engine import RolloutEngine
from docs.reference import PAGE, SECTIONS, keys_of, nested, render


def test_the_reference_is_what_the_code_says():
    assert PAGE.read_text() == render(), "run python -m docs.reference"


def members() -> list:
    listed = [member for section in SECTIONS for member in section.members]
    return [*listed, *nested(listed)]


def test_every_class_that_a_config_may_name_is_in_the_reference():
    ours = {kind for base in (QwenModule, RolloutEngine, Callback) for kind in subclasses(base) if is_ours(kind)}
    never_named = {
        "OptimizedModule",
        "RolloutModule",
        "MeasuredModule",
        "TaughtModule",
        "RolloutCallback",
        "Watching",
        "Begin",
        "Defaults",
    }
    assert {kind.__name__ for kind in ours} - never_named <= {member.__name__ for member in members()}


def subclasses(base: type) -> set[type]:
    return {found for kind in base.__subclasses__() for found in (kind, *subclasses(kind))}


def is_ours(kind: type) -> bool:
    return kind.__module__.startswith(("acereason", "callbacks."))


@pytest.mark.parametrize("member", [m for m in members() if isinstance(m, type)], ids=lambda member: member.__name__)
def test_the_keys_are_those_that_the_command_line_takes(member):
    parser = ArgumentParser()
    parser.add_class_arguments(member, "x")
    taken = vars(parser.get_defaults(skip_validation=True)).get("x", Namespace())
    assert set(vars(taken)) == {key.name for key in keys_of(member)}


def test_a_default_is_that_of_the_code():
    defaults = {key.name: key.default for key in keys_of(next(m for m in members() if m.__name__ == "GRPOModule"))}
    assert (defaults["group_size"], defaults["ddof"], defaults["max_grad_norm"], defaults["seed"]) == (8, 1, 1.0, 0)


def test_a_key_without_docstring_is_refused():
    def verb(speed: int) -> None:
        """Go.

        Args:
            other: nothing.
        """

    with pytest.raises(ValueError, match="verb.speed has no docstring"):
        keys_of(verb)
