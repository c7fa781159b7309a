import json

from lightning.pytorch.loggers import TensorBoardLogger

from callbacks import Samples
from callbacks.samples import _markdown
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, rollout


def test_texts_and_verdicts_are_written_every_n_steps(tmp_path):
    module = FakeModule(curriculum=curriculum())
    masked = rollout("wrong", 9, truncated=True)
    masked.in_loss = False
    groups = [group(rollout("correct"), masked, rollout("wrong")), group(rollout("wrong"))]
    for step in range(5):
        trainer = fake_trainer(log_dir=tmp_path, global_step=step)
        Samples(every_n_steps=4).on_rollouts(trainer, module, groups)
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [(row["step"], row["status"], row["in_loss"]) for row in rows] == [
        (0, "correct", True),
        (0, "wrong", False),
        (4, "correct", True),
        (4, "wrong", False),
    ]
    assert (rows[0]["statement"], rows[0]["answer"], rows[0]["response"]) == ("1+1", "2", "seven")


def test_markdown_is_fenced_and_says_what_became_of_it():
    (row,) = Samples().rows("a", 0, group(rollout("correct", 3)))
    assert _markdown(row) == "**p** · correct · reward 1.0 · 3 tokens (stop) · answer `2`\n\n```\n1+1\n\nseven\n```"
    assert "· masked ·" in _markdown(row | {"in_loss": False})


def test_half_a_surrogate_pair_is_written_and_shown(tmp_path):
    odd = group(rollout("wrong"))
    odd.rollouts[0].response.text = "a\ud83d"
    logger = TensorBoardLogger(tmp_path, name="", version="")
    module = FakeModule(curriculum=curriculum())
    trainer = fake_trainer(log_dir=tmp_path, global_step=0, logger=logger)
    Samples().on_rollouts(trainer, module, [odd])
    logger.experiment.close()
    assert json.loads((tmp_path / "samples.jsonl").read_text())["response"] == "a\ud83d"
    assert any("a\ufffd".encode() in path.read_bytes() for path in tmp_path.glob("events*"))
