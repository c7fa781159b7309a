"""A run on problems of reasoning-gym, through run.py."""

import json

import pytest

pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed; pip install acereason[reasoning-gym]")

from reasoning_gym import get_score_answer_fn

import run
from acereason.rewards.gym.library import entries


@pytest.mark.slow
def test_rewards_are_the_librarys_scores(tmp_path):
    run.main(["fit", "--config=conf/rewards/reasoning-gym.yaml", f"--trainer.logger.save_dir={tmp_path}"])
    folder = tmp_path / "reasoning-gym"
    made = {"countdown": entries("countdown", {}, 20, 0)}
    made["chain_sum"] = entries("chain_sum", {"min_terms": 2, "max_terms": 3, "max_digits": 1}, 20, 0)
    seen = 0
    for line in (folder / "samples.jsonl").read_text().splitlines():
        row = json.loads(line)
        name, _, index = row["problem"].partition("/")[2].split("-")
        # what has an answer that no guard stops is scored by the library
        if row["detail"]["path"] == f"scored by {name}":
            expected = get_score_answer_fn(name)(row["detail"]["extracted"], made[name][int(index)])
            assert row["reward"] == expected
            seen += 1
    assert seen > 10
    assert (folder / "summary.json").exists()
