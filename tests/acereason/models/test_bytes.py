import pytest

from tests.support.fakes import TOKENIZER


@pytest.mark.parametrize("text", ["47+85=\n\\boxed{132}", "Tom’s é \t  it's 1,000", "<|im_start|>user\nx<|im_end|>"])
def test_any_text_survives(text):
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_one_token_a_byte_and_one_for_the_box():
    assert len(TOKENIZER("12é")["input_ids"]) == 4
    assert len(TOKENIZER(r"\boxed{7}")["input_ids"]) == 3
    assert len(TOKENIZER) == 260
