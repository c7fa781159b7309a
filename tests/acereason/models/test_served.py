"""What a user who serves an export gets: the ends, the prompts and the sampling of training and evaluation."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from acereason.common.errors import UserError
from acereason.data.prompts import Template
from acereason.models.backbone import Backbone, load_config, load_tokenizer
from acereason.models.bytes import byte_tokenizer
from acereason.models.served import ends_of, generation_of
from tests.support.fakes import CONFIG, TOKENIZER, problem, tiny_qwen
from tests.support.independent_vllm import fresh_chat
from tests.support.silent_policy import TEMPLATE, exported

IM_END, END_OF_TEXT = (TOKENIZER.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>"))
CHAT = [{"role": "user", "content": "1+1"}]


def of(folder, file="generation_config.json"):
    return json.loads((folder / file).read_text())


def base(folder, **generation):
    """A base model as Qwen2.5's are: another end token, another chat template, a generation config of its own."""
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = {"default": "{{ messages[0].content }}", "tool_use": "tools"}
    model = tiny_qwen(eos_token_id=END_OF_TEXT, bos_token_id=END_OF_TEXT)
    model.generation_config = GenerationConfig(eos_token_id=END_OF_TEXT, **generation)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_transformers_stops_where_it_was_taught_to_and_prompts_as_it_was_trained(tmp_path):
    folder = exported(tmp_path / "out", backbone=Backbone(config=CONFIG, tokenizer="bytes"))
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_tensors="pt")
    assert prompt["input_ids"][0].tolist() == TEMPLATE.encode_prompt(problem(), TOKENIZER)
    for settings in ({"do_sample": False}, {}):
        written = model.generate(**prompt, max_new_tokens=8, **settings)[0, prompt["input_ids"].shape[1] :]
        assert written.tolist() == [IM_END]
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, model.config.eos_token_id) == (IM_END, END_OF_TEXT, IM_END)
    assert of(folder)["eos_token_id"] == [IM_END, END_OF_TEXT]
    assert {name: of(folder)[name] for name in ("do_sample", "temperature", "top_p", "top_k")} == {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 0,
    }
    assert TOKENIZER.eos_token == "<|endoftext|>"  # the trainer's is left alone
    assert TOKENIZER.chat_template is None


def test_of_a_base_the_ids_stay_and_its_sampling_goes(tmp_path):
    told = {"bos_token_id": 3, "pad_token_id": 7, "repetition_penalty": 1.05, "max_new_tokens": 2048, "top_k": 20}
    pretrained = str(base(tmp_path / "base", do_sample=True, temperature=0.7, **told))
    tokenizer = AutoTokenizer.from_pretrained(pretrained)
    folder = exported(tmp_path / "out", tokenizer=tokenizer, pretrained=pretrained)
    written = of(folder)
    assert (written["bos_token_id"], written["pad_token_id"], written["temperature"]) == (3, 7, 0.6)
    assert not {"repetition_penalty", "max_new_tokens", "max_length"} & written.keys()
    prompt = AutoTokenizer.from_pretrained(folder).apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    assert prompt == TEMPLATE.encode_prompt(problem(), tokenizer)


@pytest.mark.parametrize(
    ("end", "ids", "eos"),
    [
        ("<|endoftext|>", [END_OF_TEXT], "<|endoftext|>"),
        ("<|im_start|>", [TOKENIZER.convert_tokens_to_ids("<|im_start|>"), END_OF_TEXT], "<|im_start|>"),
        ("\\boxed{", [TOKENIZER.convert_tokens_to_ids("\\boxed{"), END_OF_TEXT], "<|endoftext|>"),
        ("\n", [TOKENIZER("\n")["input_ids"][0], END_OF_TEXT], "<|endoftext|>"),
    ],
)
def test_ends_of_every_kind_leave_the_tokens_as_they_are(tmp_path, end, ids, eos):
    template = Template(end=end, math="{statement}")
    folder = exported(tmp_path, template, backbone=Backbone(config=CONFIG, tokenizer="bytes"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert ends_of(generation_of(str(folder))) == ids
    assert tokenizer.eos_token == eos
    text = template.render(problem("1\n\\boxed{2}<|im_end|>")) + end
    assert tokenizer(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    written = model.generate(torch.tensor([[49, 43]]), max_new_tokens=8, do_sample=False)
    assert written[0, 2:].tolist() == ids[:1]


def test_a_tokenizer_without_padding_pads_with_its_old_end(tmp_path):
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = None
    folder = exported(tmp_path, tokenizer=tokenizer, backbone=Backbone(config=CONFIG, tokenizer="bytes"))
    assert of(folder)["pad_token_id"] == AutoTokenizer.from_pretrained(folder).pad_token_id == END_OF_TEXT


def test_an_export_that_the_next_run_begins_with(tmp_path):
    """RL on an export of SFT: the same prompts, the same ends, and its export again the same."""
    first = exported(tmp_path / "sft", pretrained=str(base(tmp_path / "base")))
    tokenizer = load_tokenizer(str(first), Backbone(), load_config(str(first), Backbone()))
    assert TEMPLATE.encode_prompt(problem(), tokenizer) == TEMPLATE.encode_prompt(problem(), TOKENIZER)
    second = exported(tmp_path / "rl", tokenizer=tokenizer, pretrained=str(first))
    assert of(second) == of(first)
    assert of(second)["eos_token_id"] == [IM_END, END_OF_TEXT]
    for file in ("tokenizer.json", "chat_template.jinja", "config.json"):
        assert (second / file).read_text() == (first / file).read_text()
    assert of(second, "tokenizer_config.json")["eos_token"] == "<|im_end|>"


def test_weights_are_written_as_they_compute(tmp_path):
    for dtype in ("float32", "bfloat16"):
        backbone = Backbone(config=CONFIG, tokenizer="bytes", compute_dtype=dtype)
        folder = exported(tmp_path / dtype, backbone=backbone)
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert {str(parameter.dtype) for parameter in model.parameters()} == {f"torch.{dtype}"}
        assert of(folder, "config.json")["dtype"] == dtype


def test_ends_of_a_generation_config(tmp_path):
    assert ends_of(generation_of(None)) == ends_of(generation_of(str(tmp_path))) == []
    assert ends_of(GenerationConfig(eos_token_id=3)) == [3]
    assert ends_of(GenerationConfig(eos_token_id=[3, 4])) == [3, 4]
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": ')
    with pytest.raises(UserError, match=r"^model\.pretrained: .*/generation_config\.json can't be read"):
        generation_of(str(tmp_path))


def test_lm_eval_prompts_and_ends_as_training_did(tmp_path):
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    folder = exported(tmp_path, backbone=Backbone(config=CONFIG, tokenizer="bytes"))
    served = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
    text = served.apply_chat_template(CHAT)
    assert served.tok_encode(text) == TEMPLATE.encode_prompt(problem(), TOKENIZER)
    asked = {"until": [], "max_gen_toks": 8, "do_sample": False}
    assert served.generate_until([Instance("generate_until", {}, (text, asked), 0)]) == [""]


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_prompts_and_ends_as_training_did(tmp_path):
    folder = exported(tmp_path, backbone=Backbone(config=CONFIG, tokenizer="bytes"))
    sampling, answer = fresh_chat(folder, CHAT, longest=128)
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.6, 0.95, 0)
    assert list(answer.prompt_token_ids) == TEMPLATE.encode_prompt(problem(), TOKENIZER)
    assert (list(answer.outputs[0].token_ids), answer.outputs[0].finish_reason) == ([IM_END], "stop")
