"""A teacher behind an OpenAI-compatible server: vLLM, SGLang, a hosted one."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessage

from acereason.data.prompts import Template
from acereason.errors import UserError, first_line
from acereason.teacher.requests import Failed, Finished, Request
from acereason.types import Sampling

_CONNECT_SECONDS = 10.0
_GREETING_SECONDS = 60.0
_MOST_CONNECTIONS = 1000
"""What the client opens at most."""
_REFUSED = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
"""Whatever is asked, the answer stays the same."""
_ITS_OWN_FAULT = (openai.BadRequestError, openai.UnprocessableEntityError)
"""Says nothing of other requests: a prompt that is too long."""


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
    """Requests that fail in a row, retries included, before the run stops."""

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= _MOST_CONNECTIONS:
            raise ValueError(f"server.concurrency must be 1 to {_MOST_CONNECTIONS}, not {self.concurrency}")
        if self.retries < 0 or self.timeout <= 0 or self.give_up_after < 1:
            raise ValueError("server: retries must be 0 or more, timeout above 0, give_up_after 1 or more")

    def identity(self) -> dict[str, Any]:
        """What its responses depend on."""
        return {"model": self.model, "endpoint": self.endpoint}


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
        self._loop = asyncio.new_event_loop()
        self._failed_in_a_row = 0
        self._trouble: str | None = None

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """See Teacher."""
        outcomes = self._outcomes(requests)
        try:
            while (outcome := self._loop.run_until_complete(_next(outcomes))) is not None:
                yield outcome
        finally:
            self._loop.run_until_complete(outcomes.aclose())

    def close(self) -> None:
        """See Teacher."""
        self._loop.close()

    async def _outcomes(self, requests: list[Request]) -> AsyncGenerator[Finished | Failed]:
        waiting, under_way = iter(requests), set[asyncio.Task[Finished | Failed]]()
        async with self._client() as client:
            await self._greet(client)
            try:
                while True:
                    free = self.server.concurrency - len(under_way)
                    under_way |= {asyncio.create_task(self._ask(client, request)) for request in islice(waiting, free)}
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
            await client.with_options(max_retries=0, timeout=_GREETING_SECONDS).models.list()
        except openai.NotFoundError:
            return  # a server without a list of models
        except openai.APIConnectionError as error:
            reason = first_line(error.__cause__ or error)
            raise UserError(f"server.url: {self.server.url} can't be reached: {reason}") from error
        except openai.APIError as error:
            raise UserError(self._refusal(error)) from error

    async def _ask(self, client: openai.AsyncOpenAI, request: Request) -> Finished | Failed:
        try:
            outcome = await self._respond(client, request)
        except _ITS_OWN_FAULT as error:
            return Failed(request, first_line(error))
        except openai.APIError as error:
            outcome = Failed(request, first_line(error))
            if isinstance(error, _REFUSED):
                self._trouble = self._refusal(error)
        self._failed_in_a_row = self._failed_in_a_row + 1 if isinstance(outcome, Failed) else 0
        if self._failed_in_a_row >= self.server.give_up_after and isinstance(outcome, Failed):
            self._trouble = (
                f"server.url: {self._failed_in_a_row} requests to {self.server.url} failed in a row, the last with: "
                f"{outcome.reason}; what is finished is kept, the same command goes on"
            )
        return outcome

    async def _respond(self, client: openai.AsyncOpenAI, request: Request) -> Finished | Failed:
        common: dict[str, Any] = {
            "model": self.server.model,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "max_tokens": self.sampling.max_response_length,
            "seed": request.seed(self.seed),
        }
        if self.server.endpoint == "chat":
            answer: Any = await client.chat.completions.create(messages=self._messages(request), **common)
        else:
            prompt = self.template.render(request.problem)
            answer = await client.completions.create(prompt=prompt, stop=[self.template.end], **common)
        choices = getattr(answer, "choices", None)  # the client passes on whatever the server sent
        if not choices:
            return Failed(request, "no response in the answer")
        text = _text_of(choices[0].message) if self.server.endpoint == "chat" else choices[0].text
        return _outcome(request, choices[0].finish_reason, text, answer.usage)

    def _key(self) -> str:
        name = self.server.api_key_env
        if name is not None and not os.environ.get(name):
            raise UserError(f"server.api_key_env: the environment variable {name} is not set")
        return os.environ[name] if name is not None else "none"  # the client insists on one

    def _messages(self, request: Request) -> list[Any]:
        system = [{"role": "system", "content": self.template.system}] if self.template.system else []
        return [*system, {"role": "user", "content": self.template.instruction(request.problem)}]

    def _refusal(self, error: openai.APIError) -> str:
        key = "api_key_env" if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError) else "url"
        return f"server.{key}: {self.server.url} refuses: {first_line(error)}"

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self.server.url,
            api_key=self._key(),
            max_retries=self.server.retries,
            timeout=openai.Timeout(self.server.timeout, connect=_CONNECT_SECONDS),
        )


async def _next(outcomes: AsyncGenerator[Finished | Failed]) -> Finished | Failed | None:
    return await anext(outcomes, None)


def _outcome(
    request: Request, finish_reason: str | None, text: str, usage: CompletionUsage | None
) -> Finished | Failed:
    if finish_reason not in ("stop", "length"):
        return Failed(request, f"ended by {finish_reason!r}, not by stop or length")
    if not text.strip():
        return Failed(request, "an empty response")
    if usage is None:
        return Failed(request, "no count of tokens (usage) beside the response")
    text = text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair, parquet may not
    return Finished(request, text, usage.completion_tokens, "stop" if finish_reason == "stop" else "length")


def _text_of(message: ChatCompletionMessage) -> str:
    """The response as the teacher wrote it: servers with a reasoning parser hand its thoughts over apart."""
    text = message.content or ""
    thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if not thoughts:
        return text
    return f"<think>\n{thoughts.strip()}\n</think>\n\n{text}" if text else f"<think>\n{thoughts}"
