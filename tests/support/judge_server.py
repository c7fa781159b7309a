"""A server whose model judges: what a judge is in tests."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.support.openai_server import Rule, TeacherServer

FENCED = re.compile(r"<(response-[0-9a-f]{16})>\n(.*)\n</\1>", re.DOTALL)
REFERENCE = re.compile(r"The reference answer:\n(.*?)\n\n<response-", re.DOTALL)


def honest(prompt: str) -> str:
    """The answer of a judge that follows the rules: the box of what is fenced, against the reference."""
    fenced = FENCED.search(prompt)
    assert fenced is not None, prompt
    found = re.findall(r"\\boxed\{(.*?)\}", fenced[2])
    reference = REFERENCE.search(prompt)
    right = bool(found) and reference is not None and found[-1] in reference[1].split("\n")
    return f"The box is {found[-1:]}.\nVERDICT: {'correct' if right else 'wrong'}"


class JudgeServer(TeacherServer):
    """Answers by `say`, a function of the prompt and of the number of the answer, from 1."""

    def __init__(
        self,
        say: Callable[[str, int], str] = lambda prompt, number: honest(prompt),
        rule: Rule = lambda body, asked: None,
        finish_reason: str = "stop",
        delay: float = 0.0,
    ) -> None:
        self.say, self.finish_reason = say, finish_reason
        self._numbers = count(1)
        super().__init__(rule, delay)

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.bodies]

    def _answer(self, body: dict, prompt: str, wrong: str) -> dict[str, Any]:
        # why: not the length of `bodies`: requests that overlap must have numbers of their own
        text = self.say(prompt, next(self._numbers))
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": {"role": "assistant", "content": text}}
        return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": len(text)}}
