import pytest

from acereason.data.prompts import Template
from acereason.data.responses import learnt
from tests.support.fakes import TOKENIZER

LAYOUT = Template().layout


def whole(response: str, layout: str = LAYOUT, **template) -> str:
    """What is learnt, from the last words of the prompt on."""
    made = Template(layout=layout, **template)
    return layout[-8:] + TOKENIZER.decode(made.encode_response(response, TOKENIZER))


@pytest.mark.parametrize(
    "response",
    [
        "<think>\nthree</think>3",
        "<think>three</think>3",
        "<think> \nthree</think>3",
        "<think>\r\nthree</think>3",
        "<think>\rthree</think>3",
        "<think>  three</think>3",
        "\n <think>three</think>3",
        "<think><think>\nthree</think>3",
        "<think>\n<think>\n\n<think>three</think>3",
        "three</think>3",
        "three</think>3<|im_end|>",
        "three</think>3\n<|im_end|>\n",
        "three</think>3<|im_end|><|im_end|> <|endoftext|>\n\n",
        "three</think>3<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<think>three</think>3<|im_end|><|eot_id|>",
    ],
)
def test_think_and_end_stand_once(response):
    assert whole(response) == "<think>\nthree</think>3<|im_end|>"


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("<think>\n\n</think>\n\n3", "\n</think>\n\n3"),
        ("<think>\n    indented\n</think>3", "    indented\n</think>3"),
        ("3", "\n</think>\n\n3"),
        ("\\boxed{3}<|im_end|>", "\n</think>\n\n\\boxed{3}"),
        ("a tag <think> and </think> later</think>3", None),
        ("three</think> the tag <think>", "three</think> the tag <think>"),
    ],
)
def test_thoughts_that_the_prompt_opens(response, text):
    if text is None:
        with pytest.raises(ValueError, match="text stands before its <think>"):
            learnt(response, "\n", ())
    else:
        assert learnt(response, "\n", ()) == text


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("<think>\nthree</think>3", "\nthree</think>3"),
        ("<think>three</think>3", "three</think>3"),
        ("3", "\n\n</think>\n\n3"),
    ],
)
def test_a_prompt_that_ends_with_the_tag_itself(response, text):
    assert whole(response, LAYOUT.removesuffix("\n")) == f"\n<think>{text}<|im_end|>"


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("3", "3"),
        ("<think>\nthree</think>3", "<think>\nthree</think>3"),
        ("\n<think>\n<think>three</think>3<|im_end|>", "<think>three</think>3"),
        ("three</think>3", "three</think>3"),
    ],
)
def test_thoughts_that_no_prompt_opens_stay(response, text):
    assert whole(response, "{user}\n") == f"{{user}}\n{text}<|im_end|>"


@pytest.mark.parametrize("layout", [LAYOUT, "{user}\n"])
@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("<think>three", "its <think> is not closed"),
        ("<think>", "its <think> is not closed"),
        ("", "no response"),
        (" \n<|im_end|>", "no response"),
        ("<think>a</think>\n<|im_end|>", "nothing follows its </think>"),
        ("<think>a<|im_end|>b</think>3", r"<\|im_end\|> stands within it"),
    ],
)
def test_what_cannot_be_learnt(layout, response, why):
    with pytest.raises(ValueError, match=why):
        whole(response, layout)


def test_ends_are_the_templates_and_the_tokenizers():
    assert whole("three</think>3\\boxed{", end="\\boxed{") == "<think>\nthree</think>3\\boxed{"
    assert learnt("4</s></s>", None, ["</s>"]) == "4"
    assert learnt("4\n", None, ["</s>"]) == "4\n"


def test_a_long_tail_of_blanks_takes_no_time():
    assert learnt("4" + " \n" * 500_000 + "5", None, ["</s>"])[-1] == "5"
