"""The chat template of an export against the prompts of training."""

import random
import string

import jinja2
import pytest
from transformers import Qwen2Tokenizer

from acereason.data.chat import chat_template
from acereason.data.prompts import Template
from acereason.models.bytes import byte_tokenizer
from tests.support.fakes import TOKENIZER, problem

TEMPLATES = {
    "default": Template(),
    "toy": Template(math="{statement}=", layout="{user}\n"),
    "bare": Template(math="{statement}", layout="{user}"),
    "no thoughts": Template(system="s", layout=Template().layout.removesuffix("<think>\n")),
    "no line break": Template(layout=Template().layout.removesuffix("\n")),
    "fixed system": Template(
        layout="<|im_start|>system\nBe {{ brief }}.<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
    ),
    "plain": Template('"{user}" \\n {% raw %}', "{statement}", layout="{system}\n\nQ: {user}\nA:", end="<|endoftext|>"),
    "no system prompt": Template(system=""),
    "beyond ASCII": Template(system="\U0001f600 数学 \u2028 é", layout="{system}\r\n\t'{user}'\x0b"),
}
PIECES = [
    *("{user}", "{system}", "{statement}", "{{ x }}", "{% if %}", "{# #}", "\\boxed{}", '"', "'", "\\"),
    *("<|im_end|>", "<|im_start|>user\n", "<|endoftext|>", "<think>", "</think>"),
    *("\n", "\r\n", " ", "\t", "\x00", "é", "数", "\U0001f600", *string.ascii_letters),
]


def chatting(template: Template) -> Qwen2Tokenizer:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = chat_template(template)
    return tokenizer


def rendered(template: Template, *turns: tuple[str, str], **settings) -> str:
    messages = [{"role": role, "content": text} for role, text in turns]
    return chatting(template).apply_chat_template(messages, tokenize=False, **settings)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_it_gives_the_very_ids_of_training(template):
    draw, tokenizer = random.Random(0), chatting(template)
    for _ in range(100):
        made = problem("".join(draw.choices(PIECES, k=draw.randint(0, 30))))
        messages = [{"role": "user", "content": template.instruction(made)}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        assert ids == template.encode_prompt(made, TOKENIZER)


def test_a_conversation_of_the_released_models_kind():
    turns = [("user", "1+1"), ("assistant", "<think>\nhm\n</think>\n\n2"), ("user", "2+2")]
    assert rendered(Template(system="s"), *turns, add_generation_prompt=True) == (
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\n1+1<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
        "<|im_start|>user\n2+2<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


def test_a_conversation_without_marks():
    turns = [("user", "1+1"), ("assistant", "2"), ("user", "2+2")]
    assert rendered(TEMPLATES["toy"], *turns, add_generation_prompt=True) == "1+1\n2<|im_end|>2+2\n"


@pytest.mark.parametrize(
    ("text", "learnt"),
    [
        ("<think>\nhm\n</think>\n\n2", "<think>\nhm\n</think>\n\n2"),
        ("hm\n</think>\n\n2", "<think>\nhm\n</think>\n\n2"),
        ("2", "2"),
    ],
)
def test_the_last_reply_keeps_its_thoughts(text, learnt):
    whole = rendered(Template(), ("user", "1+1"), ("assistant", text))
    assert whole.endswith(f"1+1<|im_end|>\n<|im_start|>assistant\n{learnt}<|im_end|>\n")
    going_on = rendered(Template(), ("user", "1+1"), ("assistant", text), continue_final_message=True)
    assert going_on == whole.removesuffix("<|im_end|>\n")


def test_a_system_message_stands_in_for_the_templates():
    whole = rendered(Template(), ("system", "Be brief."), ("user", "1+1"))
    assert whole == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1<|im_end|>\n"


def test_where_there_is_no_place_for_a_system_message_it_begins_the_users():
    turns = [("system", "Be brief."), ("user", "1"), ("assistant", "2"), ("user", "3")]
    assert rendered(TEMPLATES["toy"], *turns) == "Be brief.\n\n1\n2<|im_end|>3\n".removesuffix("\n")


@pytest.mark.parametrize("turn", [("tool", "x"), ("user", None), ("user", [{"type": "image"}])])
def test_what_it_cannot_say_is_refused(turn):
    with pytest.raises(jinja2.exceptions.TemplateError, match="texts of system, user and assistant alone"):
        rendered(Template(), turn)
