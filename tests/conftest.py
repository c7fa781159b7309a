import os
from importlib.util import find_spec

import pytest

import run

# why: as run.py sets it; threads that spin make tests beside each other three times as slow. torch reads it when loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_collection_modifyitems(items):
    if find_spec("vllm") is None:
        for item in items:
            if item.get_closest_marker("vllm"):
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed; the README has the two commands"))


@pytest.fixture
def debug_run(tmp_path, monkeypatch):
    """Runs `fit --config conf/debug.yaml` in this process and returns the run's folder."""

    def start(*overrides: str, name: str = "debug"):
        folder = tmp_path / name
        run.main(
            [
                "fit",
                "--config=conf/debug.yaml",
                f"--trainer.logger.save_dir={tmp_path}",
                f"--trainer.logger.name={name}",
                *overrides,
            ]
        )
        return folder

    return start
