"""The template that turns a problem into a prompt, and a response into the tokens that SFT learns."""

import re
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from acereason.common.errors import UserError
from acereason.common.texts import filled
from acereason.common.types import Problem
from acereason.data.responses import learnt
from acereason.rewards.registry import takes_tests

_NEEDED = {"layout": "{user}", "math": "{statement}", "code": "{statement}", "starter": "{statement}"}
"""The placeholder that each text must have."""


@dataclass
class Template:
    """The prompt's text. The defaults are the released AceReason-Nemotron 1.1 model's: ChatML, its system prompt, and
    the instructions of the paper's appendix A."""

    system: str = "You are a helpful and harmless assistant. You should think step-by-step."
    """System prompt."""
    math: str = "{statement}\n\nPlease place your final answer inside \\boxed{}."
    """Instruction for problems with an answer, math and reasoning-gym; {statement} is the problem."""
    code: str = (
        "{statement}\n\nWrite Python code to solve the problem. "
        "Please place the solution code in the following format:\n```python\n# Your solution code here\n```"
    )
    """Instruction for code problems."""
    starter: str = (
        "{statement}\n\nSolve the problem starting with the provided function header.\n\nFunction header:\n"
        "```\n{starter}\n```\n\n"
        "Please place the solution code in the following format:\n```python\n# Your solution code here\n```"
    )
    """Instruction for code problems with a function header, {starter}."""
    layout: str = (
        "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )
    """The whole prompt; {system} and {user} (the instruction) are put in."""
    end: str = "<|im_end|>"
    """Token that ends a response: SFT learns it; sampling stops at it, and at the tokenizer's and the model's own."""

    def __post_init__(self) -> None:
        for name, needed in _NEEDED.items():
            if needed not in getattr(self, name):
                raise ValueError(f"template.{name}: has no {needed}")
        if max(self.layout.count("{user}"), self.layout.count("{system}")) > 1:
            raise ValueError("template.layout: names {user} or {system} twice; a chat template has one place for each")
        if "{system}" in self.layout.partition("{user}")[2]:
            raise ValueError("template.layout: {system} must stand before {user}")

    @property
    def opened(self) -> str | None:
        """The blanks after the `<think>` at the prompt's end; None if the prompt doesn't end with it."""
        found = re.search(r"<think>(\s*)$", self.layout)
        return found and found[1]

    def check(self, tokenizer: PreTrainedTokenizerBase, key: str = "data.template") -> None:
        """Raise a UserError if `end` is no single token of the tokenizer; `key` names the template."""
        if self.end_id(tokenizer) is None:
            raise UserError(
                f"{key}.end: {self.end!r} is no token of the tokenizer, which makes "
                f"{len(_ids(self.end, tokenizer))} of it; name one that is, such as {tokenizer.eos_token}"
            )

    def render(self, problem: Problem) -> str:
        """Return the prompt's text."""
        return filled(self.layout, system=self.system, user=self.instruction(problem))

    def instruction(self, problem: Problem) -> str:
        """Return the instruction, the user's part of the prompt."""
        plain = self.code if takes_tests(problem.task) else self.math
        instruction = self.starter if problem.starter else plain
        return filled(instruction, starter=problem.starter, statement=problem.statement)

    def encode_prompt(self, problem: Problem, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the token ids [P] of the prompt."""
        return _ids(self.render(problem), tokenizer)

    def encode_response(self, response: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the token ids [R] of a response to learn, the end token included.

        Raises:
            ValueError: it can't be learnt; says why in one line.
        """
        end = self.end_id(tokenizer)
        ids = _ids(learnt(response, self.opened, {self.end, *tokenizer.all_special_tokens}), tokenizer)
        # why: sampling stops at the first end token: what follows it would be learnt and never used
        if end is None or end in ids:
            raise ValueError(f"{self.end} stands within it")
        return [*ids, end]

    def end_id(self, tokenizer: PreTrainedTokenizerBase) -> int | None:
        """Return the token that ends a response; None if `end` is no single token."""
        ids = _ids(self.end, tokenizer)
        return ids[0] if len(ids) == 1 and tokenizer.decode(ids) == self.end else None

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the tokens that end a response: the template's and the tokenizer's."""
        ids = [self.end_id(tokenizer), tokenizer.eos_token_id]
        return [token for token in dict.fromkeys(ids) if token is not None]


def _ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]
