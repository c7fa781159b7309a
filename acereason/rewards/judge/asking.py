"""Ask a judge about responses, many at a time, in one thread beside the processes of the other verifiers."""

import asyncio
import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import openai

from acereason.common.answers import read_answer
from acereason.common.connection import Connection
from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Verdict
from acereason.rewards.judge.kept import Kept, key_of
from acereason.rewards.judge.question import question_of, verdict_of
from acereason.rewards.judge.settings import JudgeSettings

_SETTING = "rewards.judge"
_CLOSED = "the reward pool was closed"
_MADE_UP = Problem("made up", "math", "What is 2 + 3?", "5")


class Judge:
    """Judges responses by a model behind a server. Any thread may call it; it waits for answers in a thread of its own.

    Args:
        settings: the model and how it is asked.
        waiting: responses that may wait beside those that are asked about; submitting one more blocks.
        kept: opens the verdicts of earlier processes; None keeps none.

    Raises:
        UserError: the address is none, or the environment lacks the key.
    """

    def __init__(self, settings: JudgeSettings, waiting: int, kept: Callable[[], Kept] | None = None) -> None:
        self.settings, self._open_kept = settings, kept
        budgets = (settings.body.get(name) or 0 for name in ("max_tokens", "max_completion_tokens"))
        self._connection = Connection(
            settings.url,
            settings.api_key_env,
            _SETTING,
            settings.retries,
            settings.timeout,
            max(settings.max_tokens, *budgets),
        )
        self._room = threading.BoundedSemaphore(settings.concurrency + waiting)
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="judge")
        self._kept: Kept | None = None
        self._running: dict[bytes, asyncio.Future[Verdict]] = {}
        self._tasks: set[asyncio.Task[Verdict]] = set()

    def submit(self, problem: Problem, text: str) -> "Future[Verdict]":
        """Start judging a response. The future never raises: failures are verdicts with status error."""
        request, verdict = self.request(problem, text), Future[Verdict]()
        self._room.acquire()
        verdict.add_done_callback(lambda _: self._room.release())
        with self._lock:
            if not self._closed:
                self._start()
                self._loop.call_soon_threadsafe(self._begin, request, verdict)
                return verdict
        verdict.set_result(Verdict("error", {"error": _CLOSED}))
        return verdict

    def request(self, problem: Problem, text: str) -> dict[str, Any]:
        """Return the body of the request about a response."""
        question = question_of(self.settings, problem, text)
        body = {"temperature": 0.0, "max_tokens": self.settings.max_tokens, "seed": derive_seed("judge", question)}
        body = {name: value for name, value in (body | self.settings.body).items() if value is not None}
        return {"model": self.settings.model, "messages": [{"role": "user", "content": question}], **body}

    def greet(self) -> Verdict:
        """Ask about a response to a made-up problem, once, and return the verdict."""
        return asyncio.run(self._greeting())

    def close(self) -> None:
        """Give up what is under way, whose verdicts become errors, and close the connections and the journal."""
        with self._lock:
            ends = self._thread.is_alive() and not self._closed
            self._closed = True
            if ends:
                self._loop.call_soon_threadsafe(self._loop.stop)
        if ends:
            self._thread.join()

    def _start(self) -> None:
        if not self._thread.is_alive():
            # why: in the caller's thread, where a mistake of the user's is told
            self._kept = self._open_kept() if self._open_kept else None
            self._client = self._connection.client()
            self._loop = asyncio.new_event_loop()
            self._free = asyncio.Semaphore(self.settings.concurrency)
            self._thread.start()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()
        if self._kept:
            self._kept.close()

    async def _end(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _begin(self, request: dict[str, Any], verdict: "Future[Verdict]") -> None:
        task = self._loop.create_task(self._verdict(request))
        # why: the loop itself holds tasks by weak references only
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finish(done, verdict))

    def _finish(self, done: "asyncio.Task[Verdict]", verdict: "Future[Verdict]") -> None:
        """Hand a task's verdict on, whatever has become of the task: nobody is to wait for one for ever."""
        self._tasks.discard(done)
        error = None if done.cancelled() else done.exception()
        failure = _CLOSED if done.cancelled() else f"judge: {type(error).__name__}: {error}"
        verdict.set_result(Verdict("error", {"error": failure}) if error or done.cancelled() else done.result())

    async def _verdict(self, request: dict[str, Any]) -> Verdict:
        """Return the verdict that is kept, that a request under way will give, or that the judge gives now."""
        key = key_of(request)
        if self._kept and (kept := self._kept.get(key)):
            return kept
        if running := self._running.get(key):
            # why: shielded, since another task's request must not end with this one; a copy, which the owner may change
            return copy.deepcopy(await asyncio.shield(running))
        answered = self._running[key] = self._loop.create_future()
        found = Verdict("error", {"error": _CLOSED})
        try:
            async with self._free:
                found = await self._asked(self._client, request)
            if self._kept:
                self._kept.add(key, found)
        finally:
            del self._running[key]
            answered.set_result(found)
        return found

    async def _asked(self, client: openai.AsyncOpenAI, request: dict[str, Any]) -> Verdict:
        started = time.perf_counter()
        given = {name: request[name] for name in ("model", "messages")}
        further = {name: value for name, value in request.items() if name not in given}
        try:
            reply = await client.chat.completions.with_raw_response.create(**given, extra_body=further)
            verdict = verdict_of(read_answer("chat", reply.content))
        # why: whatever a server makes the client raise is a failure to judge this response
        except Exception as error:
            return Verdict("error", {"error": f"judge: {self._connection.secrets.told(error)}"})
        # why: a server may repeat the key in its answer, and details go to the screen and into files
        verdict.detail["said"] = self._connection.secrets.without(verdict.detail["said"])
        verdict.detail["seconds"] = round(time.perf_counter() - started, 6)
        return verdict

    async def _greeting(self) -> Verdict:
        async with self._connection.client().with_options(max_retries=0) as client:
            return await self._asked(client, self.request(_MADE_UP, r"2 + 3 is \boxed{5}."))


def greeted(settings: JudgeSettings) -> str:
    """Ask a judge once about a made-up problem, and return what it said, in words.

    Raises:
        UserError: it can't be asked, or its answer is no verdict; says why.
    """
    judge = Judge(settings, waiting=1)
    try:
        verdict = judge.greet()
    finally:
        judge.close()
    if verdict.status == "error":
        said = f", but with {verdict.detail['said']!r}" if "said" in verdict.detail else ""
        raise UserError(f"{_SETTING}: {settings.model} gives no verdict on a made-up problem: {verdict.reason}{said}")
    given = f"{verdict.reward:g} in {verdict.detail['seconds']:.1f} s, {verdict.detail['tokens']} tokens"
    return f"{settings.model} answers; a right response to a made-up problem gets {given}"
