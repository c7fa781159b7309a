"""Settings of a judge: the model, what it is asked, and how."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RESPONSE = "{response}"
_OURS = ("messages", "model", "stream", "n")
"""Keys of a request that `body` must not set."""
_DEFAULT = """You grade a response to a problem.

The problem:
{problem}

The reference answer:
{answer}

{response}

Is the final answer of the response equivalent to the reference answer? Its form doesn't matter, its value does. \
A response without a final answer, or with several that differ, is wrong. Explain your decision in at most three \
sentences."""


@dataclass
class JudgeSettings:
    """A judge: a model behind an OpenAI-compatible server that is asked about responses, as `judge` among
    `rewards.functions`."""

    url: str
    """Address of the API, `/v1` included, without a password."""
    model: str
    """Name by which the server knows the model."""
    prompt: str = _DEFAULT
    """What the judge is asked, or a file that holds it. {response} is the fenced response; {problem} is the statement;
    {answer} the ground truth, where several are acceptable one a line, and empty where tests decide. The rules about
    fence and verdict are put after it ([rewards](rewards.md#a-judge))."""
    max_tokens: int = 1024
    """Tokens of the judge's answer, thoughts included; one that is cut is an error."""
    shown: int = 20_000
    """Characters of a response that the judge sees: its last ones, since the final answer is at the end."""
    concurrency: int = 16
    """Requests under way at a time, of each rank."""
    timeout: float = 120.0
    """Seconds that one answer may take."""
    retries: int = 3
    """How often a request is sent again after a lost connection, a time-out, or a status of 408, 409, 429 or 500 and
    above, with growing pauses, of two minutes at most; after that the verdict is an error."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; null where the server needs none."""
    body: dict[str, Any] = field(default_factory=dict)
    """Further keys of a request. A key may replace one of ours (temperature 0, max_tokens, seed); null leaves that one
    out: {max_tokens: null, max_completion_tokens: 1024, temperature: null} for OpenAI's reasoning models."""

    def __post_init__(self) -> None:
        for name in ("max_tokens", "shown", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"rewards.judge.{name} must be at least 1, not {getattr(self, name)}")
        if self.retries < 0 or self.timeout <= 0:
            raise ValueError("rewards.judge: retries must be 0 or more, timeout above 0")
        if ours := [name for name in _OURS if name in self.body]:
            raise ValueError(f"rewards.judge.body: {', '.join(ours)} can't be set there")
        # why: the address goes into the run's config.yaml
        if "@" in urlsplit(self.url).netloc:
            raise ValueError("rewards.judge.url: has a user or password; name the key's variable in api_key_env")
        self.template = _template(self.prompt)
        """Text of the prompt."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that verdicts depend on."""
        own = {name: getattr(self, name) for name in ("model", "max_tokens", "shown", "body")}
        return own | {"prompt": self.template}


def _template(prompt: str) -> str:
    """Return the text of a prompt that is a text, or a file's name."""
    if RESPONSE in prompt:
        return prompt
    try:
        text = Path(prompt).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"rewards.judge.prompt: has no {RESPONSE}, and is no file that can be read") from error
    if RESPONSE not in text:
        raise ValueError(f"rewards.judge.prompt: {prompt} has no {RESPONSE}")
    return text
