"""A run on problems of reasoning-gym, through run.py."""

import json

import pytest

pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed; pip install acereason[reasoning-gym]")

from reasoning_gym import get_score_answer_fn

import run
from acereason.rewards.gym.library import entries


@pytest.mark.slow
def test_a_run_judges_by_the_library(tmp_path):
    """Random weights may write no answer; what is one has the score that the library gives it here."""
    run.main(["fit", "--config=conf/rewards/reasoning-gym.yaml", f"--trainer.logger.save_dir={tmp_path}"])
    folder = tmp_path / "reasoning-gym"
    made = {"countdown": entries("countdown", {}, 20, 0)}
    made["chain_sum"] = entries("chain_sum", {"min_terms": 2, "max_terms": 3, "max_digits": 1}, 20, 0)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    for row in rows:
        name, _, index = row["problem"].partition("/")[2].split("-")
        entry, found = made[name][int(index)], row["detail"]
        assert row["statement"] == entry["question"]
        scored = found["path"] == f"scored by {name}"
        assert scored or found["path"] in ("no answer", "not the form of an answer"), found
        assert row["detail"].get("answer", entry["answer"]) == entry["answer"]
        if row["finish_reason"] == "stop":
            assert row["reward"] == (get_score_answer_fn(name)(found["extracted"], entry) if scored else 0.0)
    assert len(rows) == 2 * 8 * 4
    assert {row["problem"].split("/")[0] for row in rows} == {"chains", "countdown"}
