import pytest

import run


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
