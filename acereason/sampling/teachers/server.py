"""This module asks a teacher behind an OpenAI-compatible server: vLLM, SGLang, a hosted one."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import openai

from acereason.common.answers import NoResponse, read_answer
from acereason.common.connection import Connection
from acereason.common.errors import UserError
from acereason.common.texts import without_halves
from acereason.common.types import Sampling
from acereason.data.prompts import Template
from acereason.sampling.request import Failed, Finished, Request

_MOST_CONNECTIONS = 1000
"""Most connections that the client opens at a time."""
_REFUSED = (openai.AuthenticationError, openai.NotFoundError)
"""Refusals that every request would get: of the key, or of the address or model. A 403 may be about one prompt."""
_OURS = ("messages", "prompt", "model", "stream", "n")
"""Keys of a request that `body` must not set."""


@dataclass
class Server:
    """A server that runs the teacher, and how it is asked."""

    url: str
    """Address of the API, `/v1` included."""
    model: str
    """Name by which the server knows the teacher."""
    endpoint: Literal["chat", "completions"] = "chat"
    """chat: the server's own chat template, with the template's system prompt (unless empty) and instruction.
    completions: the whole text of the template."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; null where the server needs none."""
    concurrency: int = 64
    """Number of requests under way at a time, up to 1,000."""
    retries: int = 5
    """How often a request is sent again after a lost connection, a time-out, or a status of 408, 409, 429 or 500 and
    above, with growing pauses; after that it has failed, until the next call."""
    timeout: float = 3600.0
    """Seconds that one response may take."""
    give_up_after: int = 100
    """Number of requests in a row, in the order in which they are asked, that fail, retries included, before the call
    stops."""
    body: dict[str, Any] = field(default_factory=dict)
    """Further keys of a request. A key may replace one of ours (temperature, top_p, max_tokens, seed); null leaves that
    one out. For OpenAI's reasoning models {max_tokens: null, max_completion_tokens: 32768, temperature: null,
    top_p: null}."""

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= _MOST_CONNECTIONS:
            raise ValueError(f"server.concurrency must be 1 to {_MOST_CONNECTIONS}, not {self.concurrency}")
        if self.retries < 0 or self.timeout <= 0 or self.give_up_after < 1:
            raise ValueError("server: retries must be 0 or more, timeout above 0, give_up_after 1 or more")
        if ours := [name for name in _OURS if name in self.body]:
            raise ValueError(f"server.body: {', '.join(ours)} can't be set there")

    def identity(self) -> dict[str, Any]:
        """Return the settings that responses depend on."""
        return {"model": self.model, "endpoint": self.endpoint, "body": self.body}


class ServerTeacher:
    """Asks a server, many requests at a time.

    Args:
        server: the server and how it is asked.
        template: template of the prompts.
        sampling: how responses are drawn; requests say it.
        seed: seed of all draws; each request says its own.
    """

    def __init__(self, server: Server, template: Template, sampling: Sampling, seed: int) -> None:
        self.server, self.template, self.sampling, self.seed = server, template, sampling, seed
        self._connection = Connection(
            server.url, server.api_key_env, "server", server.retries, server.timeout, sampling.max_response_length
        )
        self._secrets = self._connection.secrets
        self._loop = asyncio.new_event_loop()
        self._failures = _Failures()
        self._successes = 0
        self._trouble: str | None = None

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """Yield each request's outcome as it ends, in any order."""
        outcomes, waiting = self._outcomes(requests), None
        try:
            while True:
                waiting = self._loop.create_task(_next(outcomes))
                if (outcome := self._loop.run_until_complete(waiting)) is None:
                    return
                yield outcome
        finally:
            # why: a signal breaks the wait off and leaves its task; the generator can't be closed while that runs in it
            if waiting is not None and waiting.cancel():
                self._loop.run_until_complete(asyncio.wait([waiting]))
            self._loop.run_until_complete(outcomes.aclose())

    def greet(self) -> None:
        """Raise a UserError where the server can't be reached, or refuses the key; this sends one small request."""

        async def ask() -> None:
            async with self._connection.client() as client:
                await self._connection.greet(client)

        self._loop.run_until_complete(ask())

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

    async def _outcomes(self, requests: list[Request]) -> AsyncGenerator[Finished | Failed]:
        waiting, under_way = enumerate(requests), set[asyncio.Task[Finished | Failed]]()
        async with self._connection.client() as client:
            # why: a wrong address or key ends the call by one line, not by `give_up_after` requests with their retries
            await self._connection.greet(client)
            try:
                while True:
                    free = self.server.concurrency - len(under_way)
                    under_way |= {asyncio.create_task(self._ask(client, *entry)) for entry in islice(waiting, free)}
                    if not under_way:
                        return
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for finished in done:
                        yield finished.result()
                    if self._trouble:
                        raise UserError(self._trouble)
            finally:
                for request in under_way:
                    request.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _ask(self, client: openai.AsyncOpenAI, number: int, request: Request) -> Finished | Failed:
        try:
            content = await self._answer(client, request)
            found = outcome_of(request, self.server.endpoint, content)
        # why: whatever a server makes the client raise is this request's failure alone
        except Exception as error:
            found = Failed(request, self._secrets.told(error))
            # why: after a response key and model are known to be good, and a refusal is about this request
            if isinstance(error, _REFUSED) and not self._successes:
                self._trouble = self._connection.refusal(error)
        if isinstance(found, Finished):
            self._successes += 1
            return found
        # why: a server may repeat the key in its answer, and reasons go to the screen and into a file
        found = Failed(request, self._secrets.without(found.reason))
        if (in_a_row := self._failures.add(number)) >= self.server.give_up_after:
            self._trouble = self._trouble or (
                f"server.url: {in_a_row} requests to {self._secrets.url} failed in a row, the last with: "
                f"{found.reason}; what is finished is kept, the same command goes on"
            )
        return found

    async def _answer(self, client: openai.AsyncOpenAI, request: Request) -> bytes:
        """Return the bytes of a server's answer, without looking at them."""
        body: dict[str, Any] = {
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "max_tokens": self.sampling.max_response_length,
            "seed": request.seed(self.seed),
        }
        # why: a server ends a chat by its own template's token; of a bare text only the caller knows the end
        if self.server.endpoint == "completions":
            body |= {"stop": [self.template.end]}
        body = {name: value for name, value in (body | self.server.body).items() if value is not None}
        if self.server.endpoint == "chat":
            chat = client.chat.completions.with_raw_response
            return (
                await chat.create(model=self.server.model, messages=self._messages(request), extra_body=body)
            ).content
        completions = client.completions.with_raw_response
        prompt = without_halves(self.template.render(request.problem))
        return (await completions.create(model=self.server.model, prompt=prompt, extra_body=body)).content

    def _messages(self, request: Request) -> list[Any]:
        system = [{"role": "system", "content": self.template.system}] if self.template.system else []
        return [*system, {"role": "user", "content": without_halves(self.template.instruction(request.problem))}]


def outcome_of(request: Request, endpoint: Literal["chat", "completions"], content: bytes) -> Finished | Failed:
    """Return a request's response as the teacher wrote it, thoughts included, or the reason why there is none."""
    try:
        answer = read_answer(endpoint, content)
        return Finished(request, answer.text, answer.tokens, answer.finish_reason)
    except NoResponse as error:
        return Failed(request, without_halves(str(error)))


class _Failures:
    """Counts requests that failed in a row, in the order in which they were asked."""

    # why: not in the order in which they end: a refusal comes at once, so of many requests under way all that are
    # refused, such as prompts that are too long, end before the first response

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def add(self, number: int) -> int:
        """Take in the number of a failed request, and return how many failed in a row around it."""
        # why: only the two ends of a row know its length, since a row grows and merges at its ends alone
        before, after = self._rows.get(number - 1, 0), self._rows.get(number + 1, 0)
        length = before + 1 + after
        self._rows[number - before] = self._rows[number] = self._rows[number + after] = length
        return length


async def _next(outcomes: AsyncGenerator[Finished | Failed]) -> Finished | Failed | None:
    return await anext(outcomes, None)
