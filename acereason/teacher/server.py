"""A teacher behind an OpenAI-compatible server: vLLM, SGLang, a hosted one."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import openai

from acereason.data.prompts import Template
from acereason.errors import UserError
from acereason.teacher.answers import outcome_of
from acereason.teacher.requests import Failed, Finished, Request
from acereason.teacher.wire import Bounded, Secrets
from acereason.texts import without_halves
from acereason.types import Sampling

_CONNECT_SECONDS = 10.0
_GREETING_SECONDS = 60.0
_MOST_CONNECTIONS = 1000
"""What the client opens at most."""
_BYTES_PER_TOKEN = 512
"""Of an answer, at most: the longest tokens, escaped, and told twice."""
_BYTES_BESIDE = 2**20
_NO_KEY = (openai.AuthenticationError, openai.PermissionDeniedError)
_REFUSED = (openai.AuthenticationError, openai.NotFoundError)
"""Whatever is asked, the answer stays the same; 403 may be about a prompt."""
_OURS = ("messages", "prompt", "model", "stream", "n")
"""Keys of a request that are ours alone."""


@dataclass
class Server:
    """Where the teacher is served, and how it is asked."""

    url: str
    """Of the API, `/v1` included."""
    model: str
    """Name that the server knows the teacher by."""
    endpoint: Literal["chat", "completions"] = "chat"
    """chat: the server's own chat template, with the template's system prompt (unless empty) and instruction.
    completions: the whole text of the template."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; null: the server needs none."""
    concurrency: int = 64
    """Requests under way at a time, up to 1,000."""
    retries: int = 5
    """How often a request is sent again after a lost connection, a time-out, or a status of 408, 409, 429 or 500 and
    above, with growing pauses; after that it has failed, until the next call."""
    timeout: float = 3600.0
    """Seconds for one response."""
    give_up_after: int = 100
    """Requests in a row, in the order in which they are asked, that fail, retries included, before the run stops."""
    body: dict[str, Any] = field(default_factory=dict)
    """What requests say beside our keys (temperature, top_p, max_tokens, seed), or in place of one; null leaves it out.
    For OpenAI's reasoning models {max_tokens: null, max_completion_tokens: 32768, temperature: null, top_p: null}."""

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= _MOST_CONNECTIONS:
            raise ValueError(f"server.concurrency must be 1 to {_MOST_CONNECTIONS}, not {self.concurrency}")
        if self.retries < 0 or self.timeout <= 0 or self.give_up_after < 1:
            raise ValueError("server: retries must be 0 or more, timeout above 0, give_up_after 1 or more")
        if ours := [name for name in _OURS if name in self.body]:
            raise ValueError(f"server.body: {', '.join(ours)} can't be set there")

    def identity(self) -> dict[str, Any]:
        """What its responses depend on."""
        return {"model": self.model, "endpoint": self.endpoint, "body": self.body}


class ServerTeacher:
    """Asks a server, many requests at a time.

    Args:
        server: where it is.
        template: the prompt's text.
        sampling: how responses are drawn; the server is told.
        seed: of all draws; the server is told each request's own.
    """

    def __init__(self, server: Server, template: Template, sampling: Sampling, seed: int) -> None:
        self.server, self.template, self.sampling, self.seed = server, template, sampling, seed
        self._secrets = Secrets(server.url, server.api_key_env)
        self._loop = asyncio.new_event_loop()
        self._failures = _Failures()
        self._successes = 0
        self._trouble: str | None = None

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """See Teacher."""
        outcomes, waiting = self._outcomes(requests), None
        try:
            while True:
                waiting = self._loop.create_task(_next(outcomes))
                if (outcome := self._loop.run_until_complete(waiting)) is None:
                    return
                yield outcome
        finally:
            if waiting is not None and waiting.cancel():  # a signal has broken the wait off
                self._loop.run_until_complete(asyncio.wait([waiting]))
            self._loop.run_until_complete(outcomes.aclose())

    def greet(self) -> None:
        """Raise a UserError where the server can't be reached, or refuses the key; one small request."""

        async def ask() -> None:
            async with self._client() as client:
                await self._greet(client)

        self._loop.run_until_complete(ask())

    def close(self) -> None:
        """See Teacher."""
        self._loop.close()

    async def _outcomes(self, requests: list[Request]) -> AsyncGenerator[Finished | Failed]:
        waiting, under_way = enumerate(requests), set[asyncio.Task[Finished | Failed]]()
        async with self._client() as client:
            await self._greet(client)
            try:
                while True:
                    free = self.server.concurrency - len(under_way)
                    under_way |= {asyncio.create_task(self._ask(client, *entry)) for entry in islice(waiting, free)}
                    if not under_way:
                        return
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        yield task.result()
                    if self._trouble:
                        raise UserError(self._trouble)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _greet(self, client: openai.AsyncOpenAI) -> None:
        """Raise a UserError where nothing can be asked, before anything is."""
        try:
            await client.with_options(max_retries=0, timeout=_GREETING_SECONDS).models.with_raw_response.list()
        except openai.APIConnectionError as error:
            reason = self._secrets.told(error)
            raise UserError(f"server.url: {self._secrets.url} can't be reached: {reason}") from error
        except _NO_KEY as error:
            raise UserError(self._refusal(error)) from error
        except openai.APIStatusError:
            return  # a server without a list of models; whether it answers requests is seen by asking

    async def _ask(self, client: openai.AsyncOpenAI, number: int, request: Request) -> Finished | Failed:
        try:
            content = await self._answer(client, request)
            found = outcome_of(request, self.server.endpoint, content)
        except Exception as error:  # whatever a server makes the client raise is this request's failure alone
            found = Failed(request, self._secrets.told(error))
            if isinstance(error, _REFUSED) and not self._successes:
                self._trouble = self._refusal(error)
        if isinstance(found, Finished):
            self._successes += 1
            return found
        found = Failed(request, self._secrets.without(found.reason))
        if (in_a_row := self._failures.add(number)) >= self.server.give_up_after:
            self._trouble = self._trouble or (
                f"server.url: {in_a_row} requests to {self._secrets.url} failed in a row, the last with: "
                f"{found.reason}; what is finished is kept, the same command goes on"
            )
        return found

    async def _answer(self, client: openai.AsyncOpenAI, request: Request) -> bytes:
        """The bytes of a server's answer, whatever they are."""
        body: dict[str, Any] = {
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "max_tokens": self.sampling.max_response_length,
            "seed": request.seed(self.seed),
        }
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

    def _refusal(self, error: Exception) -> str:
        key = "api_key_env" if isinstance(error, _NO_KEY) else "url"
        return f"server.{key}: {self._secrets.url} refuses: {self._secrets.told(error)}"

    def _client(self) -> openai.AsyncOpenAI:
        try:
            return openai.AsyncOpenAI(
                base_url=self.server.url,
                api_key=self._secrets.key or "none",  # the client insists on one
                max_retries=self.server.retries,
                timeout=openai.Timeout(self.server.timeout, connect=_CONNECT_SECONDS),
                http_client=Bounded(_BYTES_BESIDE + _BYTES_PER_TOKEN * self.sampling.max_response_length),
            )
        except Exception as error:  # of the library below it, on an address that is none
            raise UserError(f"server.url: is no address: {self._secrets.told(error)}") from error


class _Failures:
    """Counts requests that failed in a row, in the order in which they were asked.

    In that order, since refusals come at once: of many requests under way those that are refused, such as prompts that
    are too long, all end before the first response.
    """

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def add(self, number: int) -> int:
        """Take in one; how many are in its row. Only the ends of a row know its length."""
        before, after = self._rows.get(number - 1, 0), self._rows.get(number + 1, 0)
        length = before + 1 + after
        self._rows[number - before] = self._rows[number] = self._rows[number + after] = length
        return length


async def _next(outcomes: AsyncGenerator[Finished | Failed]) -> Finished | Failed | None:
    return await anext(outcomes, None)
