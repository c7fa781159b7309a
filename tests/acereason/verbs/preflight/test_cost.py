"""Hours by hand, and those of docs/recipe.md."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from torch.optim import AdamW

from acereason.algorithm.clipping import OffPolicy
from acereason.models.backbone import Backbone
from acereason.modules.explain import Arithmetic
from acereason.rollouts.engine import EngineMemory
from acereason.rollouts.replay import ReplayEngine
from acereason.rollouts.vllm import VLLMEngine
from acereason.verbs.preflight import cost
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.cost import (
    SPEEDS,
    Drawn,
    Speed,
    generation_seconds,
    offload_seconds,
    stage_seconds,
    update_seconds,
)
from acereason.verbs.preflight.memory import DEVICES, count_parameters
from tests.support.fakes import SEVEN_B

PARAMETERS, EMBEDDINGS = 7_615_616_512, 152_064 * 3_584
H100 = SPEEDS["h100-80gb"]
TOKEN = 57_344.0
PLANNED = SimpleNamespace(ranks=8, num_nodes=1)


def module(checkpointing: bool = True, config=SEVEN_B) -> SimpleNamespace:
    engine = VLLMEngine(dtype="bfloat16", cache_gib=32, max_num_seqs=256)
    backbone = Backbone(gradient_checkpointing=checkpointing, compute_dtype="bfloat16")
    return SimpleNamespace(config=config, backbone=backbone, engine=engine, off_policy=None)


@pytest.mark.parametrize(("checkpointing", "passes"), [(True, 4), (False, 3)])
def test_an_update_by_hand(checkpointing, passes):
    """Two sequences of 1,000 tokens and one of 3,000: 5,000 tokens, 11 million pairs."""
    work = 2 * (PARAMETERS - EMBEDDINGS) * 5000 + 2 * 28 * 3584 * 11e6
    seconds = update_seconds(module(checkpointing), PARAMETERS, Speed(1e15, 1e12), 8, [(1000, 2), (3000, 1)])
    assert seconds == pytest.approx(passes * work / (8 * 1e15 * 0.35))


def test_offloading_waits_for_the_link_and_for_the_machines_memory():
    """10 billion parameters on two devices: 90,000 tokens are a micro batch and a half a rank."""
    seen = module()
    seen.backbone.offload, seen.micro_batch_tokens, seen.optimizer_of = True, 32768, AdamW
    speed = Speed(1e15, 1e12, link=50e9)
    copied, added, updated = 12 * 10e9 / (2 * 40e9), 12 * 10e9 / 100e9, 48 * 10e9 / 100e9
    found = offload_seconds(seen, 10**10, speed, 2, tokens=90_000, updates=1)
    assert found == pytest.approx(2 * (copied + added) + updated)
    found = offload_seconds(seen, 10**10, speed, 2, tokens=90_000, updates=5, machines=2)
    assert found == pytest.approx(5 * (copied + added / 2 + updated / 2))  # an update has a micro batch at least
    seen.backbone.offload = False
    assert offload_seconds(seen, 10**10, speed, 2, tokens=90_000, updates=1) == 0


def test_tied_embeddings_are_the_head_and_multiply():
    tied = module(config=SimpleNamespace(**{**SEVEN_B.to_dict(), "tie_word_embeddings": True}))
    work = 4 * (2 * 1e9 * 10 + 2 * 28 * 3584 * 100)
    assert update_seconds(tied, 10**9, Speed(1e15, 1e12), 1, [(10, 1)]) == pytest.approx(work / 0.35e15)


def test_generation_by_hand():
    """128 responses of 4,096 tokens an engine, each holding 2,048 on average, all at a time; one goes on to 8,192."""
    engine = EngineMemory(weights=15e9, cache=32 * 2**30, token=TOKEN, responses=256)
    seconds = generation_seconds(engine, Speed(1e15, 2e12), 8, Drawn(1024, 4096, 8192))
    step = (15e9 + 128 * TOKEN * 2048) / 1.2e12
    assert seconds == pytest.approx(4096 * step + 4096 * 15e9 / 1.2e12)


@pytest.mark.parametrize(("most", "cache", "running"), [(256, 64 * TOKEN * 8192, 64), (16, 32 * 2**30, 16)])
def test_responses_wait_for_room_in_the_cache_and_for_their_turn(most, cache, running):
    engine = EngineMemory(weights=15e9, cache=cache, token=TOKEN, responses=most)
    seconds = generation_seconds(engine, Speed(1e15, 2e12), 2, Drawn(256, 16384, 16384))
    assert seconds == pytest.approx(128 / running * 16384 * (15e9 + running * TOKEN * 8192) / 1.2e12)


def test_an_engine_of_two_ranks_has_the_responses_of_both():
    alone = EngineMemory(weights=15e9, cache=32 * 2**30, token=TOKEN, responses=256)
    shared = EngineMemory(weights=7.5e9, cache=32 * 2**30, token=TOKEN / 2, responses=256, ranks=2)
    drawn = Drawn(64, 1000, 1000)
    assert generation_seconds(shared, H100, 8, drawn) == pytest.approx(
        1000 * (7.5e9 + 16 * TOKEN / 2 * 500) / (3.35e12 * 0.6)
    )
    assert generation_seconds(shared, H100, 8, drawn) < generation_seconds(alone, H100, 8, drawn)


def test_responses_from_a_file_take_no_time():
    engine = ReplayEngine.memory(None, SEVEN_B, PARAMETERS, 1000, 1)
    assert generation_seconds(engine, H100, 8, Drawn(64, 1000, 1000)) == 0


def test_what_refill_may_add_is_told():
    checks = Checks()
    job = SimpleNamespace(module=module(), parameters=PARAMETERS, planned=PLANNED, checks=checks)
    stages = {"math_8k": replace(arithmetic("math_8k", 8), refill=2)}
    generating, _ = stage_seconds(module(), PARAMETERS, stages["math_8k"], H100, cost.FILLS)
    cost.check_cost(job, "h100-80gb", stages)
    assert f"; refill adds up to {2 * generating / 3600:,.0f};" in checks.found[-1].message


def test_of_several_updates_all_but_the_first_pass_the_policy_before_the_step():
    """Four passes for the gradient and recomputation; of four mini batches three have one more."""
    stage, seconds = arithmetic("math_8k", 8), {}
    for settings in (None, OffPolicy(4), OffPolicy(4, old_logprobs="engine")):
        trains = module()
        trains.off_policy = settings
        several = replace(stage, updates=settings.updates if settings else 1)
        seconds[settings and settings.old_logprobs] = stage_seconds(trains, PARAMETERS, several, H100, cost.FILLS)[1]
    assert seconds["trainer"] == pytest.approx(seconds[None] * 4.75 / 4)
    assert seconds["engine"] == seconds[None]


def test_every_device_has_a_speed():
    assert SPEEDS.keys() == DEVICES.keys()


# docs/recipe.md, "What it costs"


def arithmetic(name: str, ranks: int) -> Arithmetic:
    """A stage of the RL config as preflight has it, with prompts of 1,024 tokens."""
    config = yaml.safe_load(Path("conf/rl/qwen2.5-math-7b.yaml").read_text())
    stage = config["data"]["init_args"]["stages"][name]
    group_size = stage.get("group_size", config["model"]["init_args"]["group_size"])
    budget = stage["max_response_length"]
    return Arithmetic(2500, 128, group_size, budget, 1024 + budget, stage["steps"], ranks, 32768)


def of_stage(name: str, ranks: int, fills: float = cost.FILLS) -> float:
    return sum(stage_seconds(module(), PARAMETERS, arithmetic(name, ranks), H100, fills)) / 3600


def of_sft(rows: float, ranks: int) -> float:
    return 6 * update_seconds(module(), PARAMETERS, H100, ranks, [(7000, rows)]) / 3600


def of_evaluation(ranks: int) -> float:
    """Table 1: the engine has 24 GiB of cache."""
    engine = VLLMEngine(dtype="bfloat16", cache_gib=24, max_num_seqs=256).memory(SEVEN_B, PARAMETERS, 33792, 1)
    responses = 4 * 30 * 64 + 454 * 8 + (500 + 164 + 378) * 4
    return generation_seconds(engine, H100, ranks, Drawn(responses, 16384, 32768)) / 3600


STAGES = ("math_8k", "math_16k", "math_24k", "code_24k", "code_32k", "math_32k")
HOURS = {
    "SFT, released data": lambda ranks: of_sft(3_968_332, ranks),
    "SFT, v7": lambda ranks: of_sft(2_200_000, ranks),
    **{f"`{name}`": lambda ranks, name=name: of_stage(name, ranks) for name in STAGES},
    "RL, all stages": lambda ranks: sum(of_stage(name, ranks) for name in STAGES),
    "RL, every response at its budget": lambda ranks: sum(of_stage(name, ranks, 1.0) for name in STAGES),
    "evaluation": of_evaluation,
}


@pytest.mark.parametrize(("ranks", "share"), [(8, 0.60), (32, 0.70), (128, 0.87)])
def test_the_share_of_generation(ranks, share):
    """docs/memory.md."""
    stages = [stage_seconds(module(), PARAMETERS, arithmetic(name, ranks), H100, cost.FILLS) for name in STAGES]
    assert sum(generating for generating, _ in stages) / sum(map(sum, stages)) == pytest.approx(share, abs=0.005)


def test_the_recipes_hours():
    assert count_parameters(SEVEN_B) == PARAMETERS
    text = Path("docs/recipe.md").read_text().split("\n## What it costs")[1].split("\n## ")[0]
    shown = {row[0]: row[1:] for row in re.findall(r"^\| ([^|]+) \| ([\d,.]+) \| ([\d,.]+) \|", text, re.MULTILINE)}
    assert shown == {name: (f"{hours(8):,.0f}", f"{hours(32):,.0f}") for name, hours in HOURS.items()}
    parts = ("SFT, released data", "RL, all stages", "evaluation")
    days = [sum(HOURS[part](ranks) for part in parts) / 24 for ranks in (8, 32)]
    assert "{:.0f} days on 8 H100, and {:.0f} on 32".format(*days) in text
