import pytest

from acereason.common.errors import UserError
from acereason.common.types import Problem
from acereason.data.prompts import Template
from tests.support.fakes import STOP_IDS, TOKENIZER, problem


def test_the_released_models_math_prompt():
    """The model card's template and the instruction of appendix A, to the letter."""
    assert Template().render(problem("What is {x}?")) == (
        "<|im_start|>system\n"
        "You are a helpful and harmless assistant. You should think step-by-step.<|im_end|>\n"
        "<|im_start|>user\n"
        "What is {x}?\n\nPlease place your final answer inside \\boxed{}.<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n"
    )


def test_code_prompt():
    text = Template().render(Problem("c", "code", "Add two numbers.", ""))
    assert (
        "Add two numbers.\n\nWrite Python code to solve the problem. Please place the solution code in the following "
        "format:\n```python\n# Your solution code here\n```<|im_end|>"
    ) in text


def test_code_prompt_with_a_function_header():
    """The model card's wording."""
    made = Problem("c", "code", "Add {starter}.", "", starter="def add(a, b):")
    assert (
        "Add {starter}.\n\nSolve the problem starting with the provided function header.\n\nFunction header:\n"
        "```\ndef add(a, b):\n```\n\nPlease place the solution code in the following format:\n"
        "```python\n# Your solution code here\n```<|im_end|>"
    ) in Template().render(made)


def test_control_tokens_are_single_tokens_and_responses_end():
    ids = Template().encode_prompt(problem(), TOKENIZER)
    assert ids[0] == TOKENIZER.convert_tokens_to_ids("<|im_start|>")
    response = Template().encode_response("<think>\nhm</think> 2", TOKENIZER)
    assert TOKENIZER.decode(response) == "hm</think> 2<|im_end|>"  # the prompt has opened <think> already
    assert Template().stop_ids(TOKENIZER) == STOP_IDS


def test_a_name_within_a_value_is_no_placeholder():
    made = Template(system="{user}", math="{statement}", layout="{system}|{user}")
    assert made.render(problem("a {system} {user} {statement}")) == "{user}|a {system} {user} {statement}"
    starter = Problem("c", "code", "Mind {starter}.", "", starter="{statement}")
    assert Template(starter="{starter}:{statement}").instruction(starter) == "{statement}:Mind {starter}."


@pytest.mark.parametrize("end", ["<|im_ends|>", "</s>", "END", "", " <|im_end|>", "<|im_end|>\n"])
def test_an_end_that_is_no_token_is_refused(end):
    with pytest.raises(
        UserError, match=r"^data\.template\.end: .* is no token of the tokenizer, which makes \d+ of it"
    ):
        Template(end=end).check(TOKENIZER)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>", "<|im_start|>", "\\boxed{", "\n"])
def test_an_end_that_is_one(end):
    made = Template(end=end)
    made.check(TOKENIZER)
    ids = made.encode_response("hm</think>4", TOKENIZER)
    assert TOKENIZER.decode(ids) == f"hm</think>4{end}"
    assert made.stop_ids(TOKENIZER) == list(dict.fromkeys([ids[-1], TOKENIZER.eos_token_id]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layout": "<|im_start|>"}, r"template\.layout: has no \{user\}"),
        ({"layout": "{user}{user}"}, r"template\.layout: names \{user\} or \{system\} twice"),
        ({"layout": "{user}{system}"}, r"template\.layout: \{system\} must stand before \{user\}"),
        ({"math": "{problem}"}, r"template\.math: has no \{statement\}"),
        ({"code": ""}, r"template\.code: has no \{statement\}"),
        ({"starter": "{starter}"}, r"template\.starter: has no \{statement\}"),
    ],
)
def test_texts_that_lose_the_problem_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Template(**values)
