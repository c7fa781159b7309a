"""What the races are about: the policy whose responses end, the rows, and what is made of the turns."""

from statistics import mean

import pytest
import torch

from acereason.algorithm.batching import collate
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.qwen import build_model
from benchmarks import grpo_step, sft_step
from benchmarks.policies import stop_with
from benchmarks.race import Turn

SMALL = {"vocab_size": 260, "hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512}


def test_every_token_ends_a_response_with_the_same_probability():
    backbone, stop = Backbone(config=SMALL | {"tie_word_embeddings": False}, tokenizer="bytes"), 256
    model = build_model(load_config(None, backbone), None, backbone, seed=3)
    stop_with(model, stop, 1 / 26)
    tokens = torch.randint(260, (300,), generator=torch.Generator().manual_seed(9)).tolist()
    batch = collate([Sequence([*tokens[:-1], stop], 1, 1.0)])
    batch.targets.fill_(stop)
    probabilities = model.token_logprobs(batch, 1.0, 64)[0].exp()
    assert probabilities.mean().item() == pytest.approx(1 / 26, rel=0.1)
    assert probabilities.std().item() < 0.2 / 26


def test_rows_of_sft_are_tokens_each_and_long_tailed():
    rows = sft_step.made_up_rows(400)
    tokenizer = byte_tokenizer()
    text = rows[0]["prompt"] + rows[0]["completion"]
    assert len(tokenizer(text)["input_ids"]) == len(text)
    lengths = sorted(len(row["prompt"]) + len(row["completion"]) + 1 for row in rows)
    assert lengths[0] >= 24
    assert lengths[-1] <= 1000
    assert lengths[200] < 150 < mean(lengths) < lengths[320]
    assert rows == sft_step.made_up_rows(400) != sft_step.made_up_rows(400, seed=1)


def test_grpo_rows_ask_the_faster_engine():
    task = grpo_step.Task("tiny", 2, 2, 8, None, steps=2, faster=2.0)
    turns = {
        "HFEngine": [Turn(1.0, 40.0, 30), Turn(2.0, 48.0, 60)],
        "VLLMEngine": [Turn(4.0, 40.0, 70), Turn(4.0, 40.0, 70)],
        "TRL": [Turn(3.0, 40.0, 90), Turn(4.0, 40.0, 100)],
    }
    found = {row.name: row for row in grpo_step.rows(task, turns)}
    assert found["tiny, HFEngine: a step"].value == 0.75
    assert found["tiny, HFEngine: mean response"].value == 5.5
    speed, memory = found["tiny, HFEngine / TRL: steps a second"], found["tiny, HFEngine / TRL: peak memory"]
    assert (speed.value, speed.met, memory.value, memory.met) == (2.5, True, 0.6, True)  # of 3 and 2
    assert found["tiny, VLLMEngine / TRL: steps a second"].met is None


def test_sft_rows_compare_tokens_a_second():
    task = sft_step.Task("tiny", steps=1)
    turns = {"ours": [Turn(1.0, 900.0, 50)], "TRL packed": [Turn(2.0, 600.0, 100)]}
    turns |= {"TRL packed, a row a pass": [Turn(1.0, 600.0, 60)], "TRL padded": [Turn(1.0, 800.0, 80)]}
    found = {row.name: row for row in sft_step.rows(task, turns)}
    packed, padded = (found[f"tiny, ours / {name}: tokens a second"] for name in ("TRL packed", "TRL padded"))
    assert (packed.value, packed.met, padded.value, padded.met) == (3.0, True, 1.125, False)
    assert found["tiny, ours / TRL packed: peak memory"].value == 0.5
