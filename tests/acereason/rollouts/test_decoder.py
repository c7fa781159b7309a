"""The decoder against transformers' own forward pass."""

import pytest
import torch
from transformers import Qwen2ForCausalLM

from acereason.rollouts import decoder
from acereason.rollouts.decoder import Decoder
from tests.support.fakes import TOKENIZER, plain_logprobs, tiny_qwen

STOP = TOKENIZER.eos_token_id
PROMPTS = [[1, 2, 3, 4, 5], [6], [7, 8, 9]]
SCRIPT = [[11, 12, STOP], [STOP], [13, 14, 15, 16, STOP], [17, STOP], [18, 19, 20, 21, 22], [23, 24, 25, STOP]]
"""What each row is given to draw: two for each prompt, five at most."""


class Scripted:
    """Draws the script, and remembers what logits it was shown for which rows."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.logits: dict[tuple[int, int], torch.Tensor] = {}

    def draw(self, logits: torch.Tensor, rows: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.rows.append(rows.tolist())
        self.logits |= {(row, position): values for row, values in zip(rows.tolist(), logits, strict=True)}
        drawn = [SCRIPT[row][position] if position < len(SCRIPT[row]) else 0 for row in rows.tolist()]
        return torch.tensor(drawn), -rows.float()


def decode(model, script: Scripted):
    own = Qwen2ForCausalLM(model.config).eval()
    own.load_state_dict(model.state_dict())
    with torch.inference_mode():
        return list(Decoder(own).generate(PROMPTS, 2, 5, [STOP], script.draw))


@pytest.mark.parametrize("overrides", [{}, {"tie_word_embeddings": False}, {"num_attention_heads": 4, "head_dim": 16}])
def test_logits_are_the_models(overrides):
    model, script = tiny_qwen(**overrides), Scripted()
    decode(model, script)
    for row, response in enumerate(SCRIPT):
        ids = PROMPTS[row // 2] + response
        expected = plain_logprobs(model, ids)[len(PROMPTS[row // 2]) - 1 :]
        shown = torch.stack([script.logits[row, position] for position in range(len(response))])
        torch.testing.assert_close(torch.log_softmax(shown, -1), expected, atol=1e-5, rtol=1e-5)


def test_prompts_that_are_read_one_by_one_give_the_same(monkeypatch):
    together, apart = Scripted(), Scripted()
    decode(tiny_qwen(), together)
    monkeypatch.setattr(decoder, "_MASK_ELEMENTS", 1)
    decode(tiny_qwen(), apart)
    assert together.logits.keys() == apart.logits.keys()
    for place, values in together.logits.items():
        torch.testing.assert_close(apart.logits[place], values, atol=1e-5, rtol=1e-5)


def test_rows_come_as_they_end_with_their_logprobs():
    ended = decode(tiny_qwen(), Scripted())
    assert [rows.tolist() for rows, _, _ in ended] == [[1], [3], [0], [5], [2, 4]]
    for rows, tokens, logprobs in ended:
        for row, drawn, logprob in zip(rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True):
            assert drawn[: len(SCRIPT[row])] == SCRIPT[row]
            assert logprob[: len(SCRIPT[row])] == [-row] * len(SCRIPT[row])


def test_ended_rows_are_not_computed():
    script = Scripted()
    decode(tiny_qwen(), script)
    assert script.rows == [[0, 1, 2, 3, 4, 5], [0, 2, 3, 4, 5], [0, 2, 4, 5], [2, 4, 5], [2, 4]]
