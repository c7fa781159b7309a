"""What makes a run faster or smaller changes nothing of what it learns: every metric and weight is the same to 1e-5."""

from pathlib import Path

import pytest

import run
from tests.support.comparison import SGD, equal

pytestmark = pytest.mark.slow


def fit(folder: Path, *overrides: str) -> Path:
    logger = [f"--trainer.logger.save_dir={folder}", "--trainer.logger.name=run"]
    run.main(["fit", "--config=conf/debug.yaml", *logger, *SGD, *overrides])
    return folder / "run"


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The debug run, packed into micro batches of 64 tokens."""
    return fit(tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize(
    "override",
    [
        "--model.micro_batch_tokens=1",  # each response in a pass of its own
        pytest.param("--model.micro_batch_tokens=10000", marks=pytest.mark.nightly),  # all in one
        "--model.backbone.gradient_checkpointing=true",
        "--model.backbone.compile=true",
        pytest.param("--model.engine.max_rows=12", marks=pytest.mark.nightly),
        pytest.param("--trainer.recipe.LongestFirst=null", marks=pytest.mark.nightly),
    ],
    ids=["a response a pass", "one pass", "checkpointing", "compiled", "rollouts at a time", "order"],
)
def test_nothing_changes(tmp_path, usual, override):
    equal(usual, fit(tmp_path, override))
