"""This module is the way to a server: it bounds answers, and keeps keys out of every message."""

import asyncio
import json
import os
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit, urlunsplit

import openai

from acereason.common.errors import UserError
from acereason.common.texts import one_line, without_halves

_GRACE_SECONDS = 1.0
"""Seconds beyond the client's own time-out, which comes first: the client sends the request again after that."""
_MOST_REDIRECTS = 5
_PACKED = ("gzip", "deflate")
"""Compressions that answers may have; others can make gigabytes of a few bytes."""
_OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that no longer hold once an answer is read and unpacked."""


class Bounded(openai.DefaultAsyncHttpxClient):
    """An HTTP client that reads every answer whole, up to a bound on its bytes and its seconds.

    The client of the library bounds neither: its time-out begins anew with every byte, and a small answer may unpack to
    gigabytes.

    Args:
        most: most bytes of an answer, unpacked; a longer one is read no further.
    """

    def __init__(self, most: int) -> None:
        super().__init__(headers={"Accept-Encoding": ", ".join(_PACKED)})
        self._most = most

    async def send(self, request: Any, **settings: Any) -> Any:
        """Send a request as httpx does, and return its whole answer.

        Raises:
            TimeoutError: the answer was not whole in time.
        """
        seconds = request.extensions["timeout"]["read"]
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                response = await self._followed(request, settings | {"stream": True, "follow_redirects": False})
                try:
                    return _whole(response, await self._content(response))
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise TimeoutError(f"no whole answer within {seconds:g} seconds") from error

    async def _followed(self, request: Any, settings: dict[str, Any]) -> Any:
        """Return the answer behind redirects by 307 and 308."""
        # why: those two keep a POST a POST; the others would make a GET of it, without the prompt
        response = await super().send(request, **settings)
        for _ in range(_MOST_REDIRECTS):
            if response.status_code not in (307, 308) or response.next_request is None:
                break
            await response.aclose()
            response = await super().send(response.next_request, **settings)
        return response

    async def _content(self, response: Any) -> bytes:
        if 300 <= response.status_code < 400:
            return _words(f"it has moved to {response.headers.get('location', 'nowhere')}; give that address")
        if (packed := response.headers.get("content-encoding", "identity").lower()) not in (*_PACKED, "identity"):
            return _words(f"it is packed by {packed}, which was not asked for")
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > self._most:
                return _words(f"an answer of more than {self._most:,} bytes")
        return bytes(content)


def _words(text: str) -> bytes:
    """Return an error in the form in which servers send it, so that the client shows its words."""
    return json.dumps({"error": {"message": text}}).encode()


def _whole(response: Any, content: bytes) -> Any:
    """Return the answer as one that has been read and unpacked."""
    headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _OF_THE_WAY]
    return type(response)(response.status_code, headers=headers, content=content, request=response.request)


class Secrets:
    """The secrets between this program and a server: the key, and a password or key in the address.

    Args:
        url: address of the server.
        api_key_env: name of the environment variable that holds the key; None where there is no key.
        setting: the setting that holds the two, which errors name.
    """

    def __init__(self, url: str, api_key_env: str | None, setting: str) -> None:
        self.key = _key(api_key_env, setting)
        try:
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2]
        except ValueError as error:
            raise UserError(f"{setting}.url: is no address, such as http://localhost:8000/v1") from error
        self.url = urlunsplit((parts.scheme, host, parts.path, "", ""))
        """The address without user, password and query, which may be shown."""
        user = [text for text in (parts.password or parts.username,) if text]
        # why: short values, such as a version, are no keys, and stars for them would garble every message
        query = [text for _, _, text in (pair.partition("=") for pair in parts.query.split("&")) if len(text) > 3]
        # why: libraries show an address in its quoted form or not, and a query with `+` for spaces
        hidden = [form for text in user + query for form in (text, unquote(text), unquote_plus(text))]
        # why: the longest first, since a secret may hold another one, whose stars would leave its rest to be read
        self._hidden = sorted({self.key or "", *hidden} - {""}, key=len, reverse=True)

    def without(self, text: str) -> str:
        """Return the text with stars in place of the secrets."""
        for hidden in self._hidden:
            text = text.replace(hidden, "***")
        return text

    def told(self, error: BaseException) -> str:
        """Return the words of an error of the client, and of its cause, in one line without secrets."""
        # why: the client says only "Connection error."; the reason (no such host, refused) is its cause's
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
        words = [str(error).rstrip("."), str(cause) or type(cause).__name__] if cause else [str(error)]
        return without_halves(self.without(one_line(": ".join(words)))) or type(error).__name__


def _key(name: str | None, setting: str) -> str | None:
    """Return the key from the environment.

    Raises:
        UserError: there is none, or the value can't be one.
    """
    if name is None:
        return None
    # why: files and shells leave a line break at its end, which no header may hold
    key = os.environ.get(name, "").strip()
    if not key:
        raise UserError(f"{setting}.api_key_env: the environment variable {name} is not set, or empty")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(
            f"{setting}.api_key_env: the environment variable {name} holds no key: it has spaces, line breaks or "
            "characters beyond ASCII within"
        )
    return key
