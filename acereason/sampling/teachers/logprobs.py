"""This module asks a server how likely a teacher would have been to write given tokens.

The request is that of OpenAI's completions with `echo` and `logprobs`, which vLLM answers without generating.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

import openai
from transformers import PreTrainedTokenizerBase

from acereason.common.connection import Connection
from acereason.common.errors import UserError
from acereason.common.texts import one_line
from acereason.common.types import Sequence

T = TypeVar("T")

_ID = "token_id:"
"""What vLLM writes before a token's id, where it is asked for ids in place of texts."""
_SAMPLE = 'Is 12,345 + 6.78 > 2 ** 10? Let\'s see.\n\n```python\nprint("größer", x[-1])\n```\n答案是 <|im_end|>'
"""A text of digits, code, white space, other scripts and a special token, which tokenizers cut in different ways."""


@dataclass
class LogprobServer:
    """A server that gives log-probs of a teacher's prompts, as vLLM does, and how it is asked."""

    url: str
    """Address of the API, `/v1` included."""
    model: str
    """Name by which the server knows the teacher."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; null where the server needs none."""
    concurrency: int = 64
    """Number of requests under way at a time, of each rank; a request is one response."""
    retries: int = 5
    """How often a request is sent again after a lost connection, a time-out, or a status of 408, 409, 429 or 500 and
    above, with growing pauses; after that its response has no log-probs."""
    timeout: float = 600.0
    """Seconds that one answer may take."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0:
            raise ValueError("server: concurrency must be 1 or more, retries 0 or more, timeout above 0")


class ServedTeacher:
    """A teacher behind a server.

    Args:
        server: the server and how it is asked.
        longest: tokens of the longest sequence that it is asked about.
    """

    def __init__(self, server: LogprobServer, longest: int) -> None:
        self.server = server
        self._connection = Connection(server.url, server.api_key_env, "server", server.retries, server.timeout, longest)
        self._loop = asyncio.new_event_loop()

    def logprobs(self, rows: list[Sequence], temperature: float) -> list[list[float] | str]:
        """Return of each row the [R] log-probs of its response's tokens, or why there are none.

        Args:
            rows: prompts with responses.
            temperature: the policy's sampling temperature.

        Raises:
            UserError: the temperature isn't 1.
        """
        self.check_temperature(temperature, "the policy")
        return self._run(self._all(rows))

    def check_temperature(self, temperature: float, who: str) -> None:
        """Raise a UserError unless what `who` samples at is 1."""
        # why: a server's log-probs of a prompt are those of the model itself, whatever temperature the request names
        if temperature != 1:
            raise UserError(
                f"server: gives log-probs at temperature 1 alone, and {who} samples at {temperature:g}: sample at 1, "
                "or run the teacher by model.teacher.pretrained"
            )

    def check(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raise a UserError where the server can't be reached, gives no log-probs, or cuts texts into other tokens than
        the policy's tokenizer; this sends a request of some twenty tokens."""
        self._run(self._check(tokenizer))

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        task = self._loop.create_task(work)
        try:
            return self._loop.run_until_complete(task)
        finally:
            # why: a signal breaks the wait off and leaves its task, which holds connections
            if task.cancel():
                self._loop.run_until_complete(asyncio.wait([task]))

    async def _all(self, rows: list[Sequence]) -> list[list[float] | str]:
        places = asyncio.Semaphore(self.server.concurrency)
        async with self._connection.client() as client:
            return await asyncio.gather(*(self._ask(client, places, row) for row in rows))

    async def _ask(self, client: openai.AsyncOpenAI, places: asyncio.Semaphore, row: Sequence) -> list[float] | str:
        async with places:
            try:
                _, logprobs = await self._told(client, row.token_ids)
                return _of_response(logprobs, row)
            # why: whatever a server makes the client raise is this response's failure alone, and is counted
            except Exception as error:
                return self._connection.secrets.told(error)

    async def _told(self, client: openai.AsyncOpenAI, prompt: str | list[int]) -> tuple[list[Any], list[Any]]:
        """Return the tokens of a prompt as the server names them, and their log-probs."""
        beyond = {"return_tokens_as_token_ids": True, "add_special_tokens": False}  # vLLM's; others pass over them
        answer = await client.completions.with_raw_response.create(
            model=self.server.model, prompt=prompt, max_tokens=0, echo=True, logprobs=1, extra_body=beyond
        )
        return _read(answer.content)

    async def _check(self, tokenizer: PreTrainedTokenizerBase) -> None:
        async with self._connection.client() as client:
            await self._connection.greet(client)
            try:
                tokens, _ = await self._told(client, _SAMPLE)
            except (openai.OpenAIError, ValueError) as error:
                told = self._connection.secrets.told(error)
                raise UserError(f"server.url: {self._connection.secrets.url} gives no log-probs: {told}") from error
        ours = tokenizer.encode(_SAMPLE, add_special_tokens=False)
        # why: a server that does not name ids still tells by the number of tokens that its vocabulary is another
        named = all(str(token).startswith(_ID) for token in tokens)
        if tokens != [f"{_ID}{id_}" for id_ in ours] if named else len(tokens) != len(ours):
            raise UserError(
                f"server.model: {self.server.model} has another vocabulary than the policy: it cuts a sample text into "
                f"{len(tokens)} tokens, the policy into {len(ours)} or others; take a teacher of the policy's family"
            )


def _read(content: bytes) -> tuple[list[Any], list[Any]]:
    """Return (tokens, log-probs) of an answer; a ValueError where it has none."""
    try:
        found = json.loads(content)["choices"][0]["logprobs"]
        tokens, logprobs = found["tokens"], found["token_logprobs"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        text = one_line(content.decode("utf-8", "replace"), 200)
        raise ValueError(f"no log-probs of the prompt in the answer: {text}") from error
    if not (isinstance(tokens, list) and isinstance(logprobs, list) and len(tokens) == len(logprobs)):
        raise ValueError("the answer's tokens and log-probs are no lists of one length")
    return tokens, logprobs


def _of_response(logprobs: list[Any], row: Sequence) -> list[float]:
    """Return the log-probs of a row's response; a ValueError where there is not one number for each token."""
    if len(logprobs) < len(row.token_ids):
        raise ValueError(f"log-probs of {len(logprobs)} tokens where {len(row.token_ids)} were sent")
    found = logprobs[row.prompt_length : len(row.token_ids)]
    if not all(type(each) in (float, int) and isfinite(each) and each <= 0 for each in found):
        raise ValueError("a log-prob of the response is no number up to 0")
    return [float(each) for each in found]
