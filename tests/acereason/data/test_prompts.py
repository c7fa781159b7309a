from fakes import STOP_IDS, TOKENIZER, problem

from acereason.data.prompts import Template
from acereason.types import Problem


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
