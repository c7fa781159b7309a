from types import SimpleNamespace

import pytest
import torch
from transformers import Qwen2Config

from acereason.models.backbone import Backbone, load_config
from acereason.models.lora import Lora
from acereason.models.qwen import build_model
from acereason.rollouts.hf import HFEngine
from acereason.rollouts.vllm import VLLMEngine
from acereason.verbs.preflight.memory import (
    PROCESS,
    checkpoint_bytes,
    count_parameters,
    count_trained,
    estimate,
    estimate_machine,
    human,
    kept_values,
)
from tests.support.fakes import CONFIG, SEVEN_B, tiny_qwen


def test_parameters_are_counted_without_weights():
    assert count_parameters(SEVEN_B) == 7_615_616_512  # as Qwen2.5-7B publishes
    assert count_parameters(Qwen2Config(**CONFIG)) == sum(p.numel() for p in tiny_qwen().parameters())


@pytest.mark.parametrize(
    "family", [{"num_key_value_heads": 2}, {"model_type": "qwen3", "head_dim": 64, "num_key_value_heads": 2}], ids=str
)
def test_a_layer_keeps_about_what_it_is_said_to_keep(family):
    shape = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8, "num_hidden_layers": 1}
    config = load_config(None, Backbone(config=CONFIG | shape | family, tokenizer="bytes"))
    model = build_model(config, None, Backbone(), seed=0).bfloat16()
    ours, saved, tokens = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}, 64

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = tensor, storage.nbytes()  # kept, so that no two have one address
        return tensor

    hidden = torch.randn(1, tokens, 256, dtype=torch.bfloat16, requires_grad=True)
    rotation = model.model.rotary_emb(hidden, torch.arange(tokens)[None])
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.model.layers[0](hidden, position_embeddings=rotation, attention_mask=None, document_lengths=[tokens])
    held = sum(size for address, (_, size) in saved.items() if address not in ours) / 2 / tokens
    assert 0.9 * kept_values(config) < held < kept_values(config)


def estimated(
    engine, ranks: int = 8, optimizer=torch.optim.AdamW, teacher: int = 0, **backbone
) -> dict[str, dict[str, float]]:
    """A policy of 7 billion parameters and micro batches of 1,000 tokens; groups of 2 sequences of 500."""
    module = SimpleNamespace(
        config=SEVEN_B,
        backbone=Backbone(**{"gradient_checkpointing": True, "compute_dtype": "bfloat16"} | backbone),
        engine=engine,
        micro_batch_tokens=1000,
        logits_mib=100,
        optimizer_of=optimizer,
    )
    return estimate(module, parameters=7_000_000_000, ranks=ranks, longest=500, group_size=2, teacher=teacher)


EMBEDDINGS = 152064 * 3584
KEPT = 5 * 3584 + 2 * (3584 + 512) + 3 * 18944
TOKEN = 2 * 4 * 28 * 4 * 128  # keys and values, float32, 28 layers, 4 heads of 128


def test_an_estimate_by_hand():
    phases = estimated(HFEngine(max_rows=1))
    engine = {"engine's weights": 28e9, "engine's cache": 2 * 500 * TOKEN}  # a whole group at once
    kept = {"parameters and optimizer": 10.5e9, "gathered layers": 2 * ((7e9 - EMBEDDINGS) / 14 + 2 * EMBEDDINGS)}
    assert phases["generating"] == pytest.approx(kept | engine)
    assert phases["updating"] == pytest.approx(
        kept
        | {
            "gradients": 3.5e9,
            "activations": 1000 * 2 * (28 * 3584 + KEPT + 2 * 18944),
            "logits and the head's gradient": 100 * 2**20 + 2 * 4 * 256 * 152064 + 6 * EMBEDDINGS,
        }
        | engine
    )


def test_a_local_teacher_stays_in_the_compute_dtype_spread_over_the_ranks():
    alone, taught = (estimated(HFEngine(), teacher=teacher) for teacher in (0, 32_000_000_000))
    assert all(taught[phase] == alone[phase] | {"teacher": 8e9} for phase in ("generating", "updating"))


def test_an_engine_that_sleeps_is_not_there_during_the_update():
    asleep, awake = (estimated(VLLMEngine(dtype="bfloat16", cache_gib=2, sleep=sleep)) for sleep in (True, False))
    engine = {"engine's weights": 14e9, "engine's cache": 2 * 2**30}
    assert asleep["generating"] == awake["generating"]
    assert awake["updating"] == asleep["updating"] | engine


def test_a_separate_engine_is_on_a_device_of_its_own():
    phases = estimated(VLLMEngine(placement="separate", dtype="bfloat16", cache_gib=2))
    assert phases["apart"] == {"engine's weights": 14e9, "engine's cache": 2 * 2**30}
    assert phases["generating"].keys() == {"parameters and optimizer", "gathered layers"}
    assert not phases["updating"].keys() & phases["apart"].keys()


def test_ranks_that_share_an_engine_hold_a_part_of_it():
    engine = VLLMEngine(dtype="bfloat16", cache_gib=2, tensor_parallel_size=2).memory(SEVEN_B, 7_000_000_000, 500, 2)
    assert (engine.weights, engine.cache, engine.token) == (7e9, 2 * 2**30, TOKEN / 4)


def test_nothing_is_gathered_on_one_rank_in_float32():
    assert estimated(HFEngine(), ranks=1, compute_dtype="float32")["updating"]["gathered layers"] == 0
    assert estimated(HFEngine(), ranks=1)["updating"]["gathered layers"] > 0  # the bfloat16 copies


def test_without_checkpointing_every_layer_keeps_its_own():
    phases = estimated(HFEngine(), gradient_checkpointing=False)
    assert phases["updating"]["activations"] == 1000 * 2 * (28 * KEPT + 2 * 18944)


def test_a_machine_of_eight_ranks_needs_no_more_than_64_gb_for_7b():
    """docs/memory.md has the sum."""
    module = SimpleNamespace(config=SEVEN_B, engine=VLLMEngine(dtype="bfloat16"), backbone=Backbone())
    read = estimate_machine(module, count_parameters(SEVEN_B), ranks=8, made=False)
    assert read == {"processes": 8 * PROCESS, "a tensor on its way": 4 * EMBEDDINGS}
    assert sum(read.values()) == pytest.approx(34.2e9, abs=0.1e9)
    made = estimate_machine(module, count_parameters(SEVEN_B), ranks=8, made=True)
    assert made == read | {"the model, whole": 4 * 7_615_616_512}


def test_a_separate_engine_is_a_process_more_for_each_rank():
    engine = VLLMEngine(placement="separate", dtype="bfloat16")
    module = SimpleNamespace(config=SEVEN_B, engine=engine, backbone=Backbone())
    assert estimate_machine(module, 7_000_000_000, ranks=4, made=False)["processes"] == 8 * PROCESS
    sft = SimpleNamespace(config=SEVEN_B, backbone=Backbone())  # no engine
    assert estimate_machine(sft, 7_000_000_000, ranks=4, made=False)["processes"] == 4 * PROCESS


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2)])
def test_disk(dtype, width):
    module = SimpleNamespace(backbone=Backbone(compute_dtype=dtype), optimizer_of=torch.optim.AdamW)
    assert checkpoint_bytes(module, 10, keep=2, ends=6, exports=6) == 12 * 10 * 8 + width * 10 * 6


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")])
def test_human(size, text):
    assert human(size) == text


def test_adapters_alone_have_gradients_and_moments():
    lora = Lora(rank=8, targets=["q_proj", "up_proj"])
    trained = 28 * 8 * ((3584 + 3584) + (3584 + 18944))
    phases, plain = estimated(HFEngine(), lora=lora), estimated(HFEngine())
    backbone = Backbone(lora=lora, compute_dtype="bfloat16")
    module = SimpleNamespace(config=SEVEN_B, backbone=backbone, optimizer_of=torch.optim.AdamW)
    assert count_trained(module, 7_000_000_000) == trained
    assert phases["updating"]["parameters and optimizer"] == (4 * 7_000_000_000 + 8 * trained) / 8
    assert phases["updating"]["gradients"] == 4 * trained / 8
    head = "logits and the head's gradient"
    assert plain["updating"][head] - phases["updating"][head] == 6 * EMBEDDINGS
    assert checkpoint_bytes(module, 1000, keep=2, ends=1, exports=1) == 3 * (4000 + 8 * trained) + 2000


class AdamW8bit(torch.optim.AdamW):
    """By its name torchao's."""


def test_moments_of_8_bits_take_a_byte_and_a_part_of_a_scale():
    phases, plain = estimated(HFEngine(), optimizer=AdamW8bit), estimated(HFEngine())
    held = "parameters and optimizer"
    assert phases["updating"][held] == 7e9 * (4 + 2 * (1 + 4 / 256)) / 8
    assert phases["updating"] | {held: 10.5e9} == plain["updating"]


def test_what_is_offloaded_is_on_the_machine_and_not_on_the_device():
    plain, phases = estimated(HFEngine()), estimated(HFEngine(), offload=True)
    for phase, gone in {"generating": 10.5e9, "updating": 10.5e9 + 3.5e9}.items():
        assert sum(plain[phase].values()) - sum(phases[phase].values()) == pytest.approx(gone)
    backbone, engine = Backbone(offload=True), VLLMEngine(dtype="bfloat16")
    module = SimpleNamespace(config=SEVEN_B, engine=engine, backbone=backbone, optimizer_of=torch.optim.AdamW)
    found = estimate_machine(module, 7_000_000_000, ranks=8, made=False)
    assert found["parameters and optimizer"] + found["gradients"] == 16 * 7e9
    halved = estimate_machine(module, 7_000_000_000, ranks=8, made=False, machines=2)
    assert halved["parameters and optimizer"] + halved["gradients"] == 8 * 7e9
    module.optimizer_of = AdamW8bit
    assert estimate_machine(module, 100, 1, made=False)["parameters and optimizer"] == 100 * (6 + 8 / 256)


def test_offloaded_layers_are_gathered_on_one_rank_in_float32_too():
    gathered = estimated(HFEngine(), ranks=1, compute_dtype="float32", offload=True)["updating"]["gathered layers"]
    assert gathered == 4 * ((7e9 - EMBEDDINGS) / 14 + 2 * EMBEDDINGS)
