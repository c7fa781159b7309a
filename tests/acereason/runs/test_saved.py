import pytest
from jsonargparse import Namespace

from acereason.runs.saved import saved_config


@pytest.mark.parametrize(
    ("given", "before", "kept"),
    [
        (None, None, None),
        ("last", None, None),
        ("auto", "null", None),
        ("{run}/checkpoints/step-000004.ckpt", "null", None),
        ("other/step-000004.ckpt", None, "other/step-000004.ckpt"),
        ("last", "other/step-000004.ckpt", "other/step-000004.ckpt"),  # begun with another run's, then resumed
        ("auto", "other/step-000004.ckpt", "other/step-000004.ckpt"),
    ],
)
def test_what_starts_the_same_run_again(tmp_path, given, before, kept):
    if before:
        (tmp_path / "config.yaml").write_text(f"seed_everything: 0\nckpt_path: {before}\n")
    config = Namespace(seed_everything=1, ckpt_path=given and given.format(run=tmp_path))
    assert saved_config(config, tmp_path) == Namespace(seed_everything=1, ckpt_path=kept)
    assert config.ckpt_path == (given and given.format(run=tmp_path))
