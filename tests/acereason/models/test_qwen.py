import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from acereason.common.errors import UserError
from acereason.models.backbone import Backbone, load_config, load_tokenizer
from acereason.models.exports import export, load_weights, stream_weights
from acereason.models.qwen import build_model
from tests.support.fakes import BACKBONE, CONFIG, TOKENIZER, plain_logprobs, tiny_qwen


def test_random_weights_depend_on_the_seed_alone():
    config = load_config(None, BACKBONE)
    torch.manual_seed(123)
    first = build_model(config, None, BACKBONE, seed=1).state_dict()
    torch.manual_seed(456)
    again, other = (build_model(config, None, BACKBONE, seed=seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_an_export_is_a_hugging_face_folder(tmp_path):
    model, ids = tiny_qwen(), list(b"12+34=46")
    export(model, TOKENIZER, tmp_path / "out", is_writer=True)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    theirs = torch.log_softmax(loaded(input_ids=torch.tensor([ids])).logits[0, :-1], -1)
    torch.testing.assert_close(theirs, plain_logprobs(model, ids), atol=1e-5, rtol=1e-5)
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == ["Qwen2ForCausalLM"]
    text = "47+85=\n\\boxed{132}<|im_end|>"
    assert AutoTokenizer.from_pretrained(tmp_path / "out")(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_an_export_replaces_the_one_before(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/stale").touch()
    export(tiny_qwen(), TOKENIZER, tmp_path / "out", is_writer=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    assert not (tmp_path / "out/stale").exists()


def test_a_local_folder_loads_with_overrides(tmp_path):
    export(tiny_qwen(), TOKENIZER, tmp_path, is_writer=True)
    backbone = Backbone(rope_theta=1e6, max_position_embeddings=4096)
    config = load_config(str(tmp_path), backbone)
    model = build_model(config, str(tmp_path), backbone, seed=0)
    assert (config.rope_parameters["rope_theta"], config.max_position_embeddings) == (1e6, 4096)
    rotary = model.model.rotary_emb.inv_freq
    assert rotary.tolist() == pytest.approx([1e6 ** (-2 * i / 32) for i in range(16)])
    assert model.training
    assert len(load_tokenizer(str(tmp_path), backbone)) == 260


def test_rope_theta_changes_what_the_model_computes():
    ids = list(b"a longer text, so that positions matter")
    near, far = plain_logprobs(tiny_qwen(), ids), plain_logprobs(tiny_qwen(rope_parameters={"rope_theta": 1e6}), ids)
    torch.testing.assert_close(near[0], far[0])  # position 0 is not rotated
    assert (near[-1] - far[-1]).abs().max() > 1e-3


def test_tied_weights_stream_once():
    names = [name for name, _ in stream_weights(tiny_qwen())]
    assert "lm_head.weight" not in names
    assert "lm_head.weight" in [name for name, _ in stream_weights(tiny_qwen(tie_word_embeddings=False))]
    assert len(names) == len(set(names)) == 2 * 12 + 2


def test_gradient_checkpointing_gives_the_same_gradient():
    from acereason.algorithm.batching import collate
    from acereason.common.types import Sequence

    batch = collate([Sequence(list(b"12+34=46"), 3, 1.0)])
    gradients = []
    for checkpointing in (False, True):
        backbone = Backbone(config=CONFIG, tokenizer="bytes", gradient_checkpointing=checkpointing)
        model = build_model(load_config(None, backbone), None, backbone, seed=0)
        assert model.is_gradient_checkpointing is checkpointing
        model.policy_loss(batch, 1.0, 64)[0].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("pretrained", "backbone", "message"),
    [
        (None, Backbone(), "model: give either pretrained"),
        ("x", BACKBONE, "model: give either pretrained"),
        ("/no/such/folder", Backbone(), "model.pretrained: '/no/such/folder' is neither a folder"),
    ],
)
def test_mistakes_name_the_key(pretrained, backbone, message):
    with pytest.raises(UserError, match=message):
        load_config(pretrained, backbone)


def test_another_architecture_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="is a llama model"):
        load_config(str(tmp_path), Backbone())


def test_flash_attention_is_refused_where_it_is_missing():
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("flash-attn is installed")
    with pytest.raises(UserError, match="flash_attention_2 needs the package flash-attn"):
        load_config(None, Backbone(config=CONFIG, attention="flash_attention_2"))


def test_random_weights_need_a_tokenizer():
    with pytest.raises(UserError, match=r"model\.backbone\.tokenizer"):
        load_tokenizer(None, Backbone(config=CONFIG))


def test_a_tokenizer_larger_than_the_embeddings_is_refused():
    def load(vocab_size: int) -> int:
        backbone = Backbone(config=CONFIG | {"vocab_size": vocab_size}, tokenizer="bytes")
        return len(load_tokenizer(None, backbone, load_config(None, backbone)))

    assert load(260) == load(320) == 260  # padded embeddings are usual
    with pytest.raises(UserError, match=r"bytes has 260 tokens, the model embeddings for 259 \(vocab_size\)"):
        load(259)


def test_a_folder_without_a_tokenizers_files_is_refused(tmp_path):
    tiny_qwen().save_pretrained(tmp_path)  # transformers makes a tokenizer of one token of it
    with pytest.raises(UserError, match=r"^model\.backbone\.tokenizer: .* has no tokenizer's files; name another"):
        load_tokenizer(str(tmp_path), Backbone())


def test_a_bfloat16_export_is_a_start_like_any_other(tmp_path):
    source, target = tiny_qwen(initializer_range=0.3), tiny_qwen()
    export(source, TOKENIZER, tmp_path, is_writer=True, dtype=torch.bfloat16)
    load_weights(target, tmp_path)
    for (name, mine), theirs in zip(target.named_parameters(), source.parameters(), strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs.bfloat16().float()), name
