"""This module connects to an OpenAI-compatible server, and says in one line why it can't."""

import openai

from acereason.common.errors import UserError
from acereason.common.wire import Bounded, Secrets

_CONNECT_SECONDS = 10.0
_GREETING_SECONDS = 60.0
_NO_KEY = (openai.AuthenticationError, openai.PermissionDeniedError)
_BYTES_PER_TOKEN = 512
"""Most bytes of an answer for each of its tokens: the longest tokens, escaped, and sent twice."""
_BYTES_BESIDE = 2**20


class Connection:
    """A way to a server.

    Args:
        url: address of the API, `/v1` included.
        api_key_env: name of the environment variable that holds the key; None where the server needs none.
        setting: the setting that holds the two, which errors name.
        retries: how often a request is sent again.
        timeout: seconds that one answer may take.
        tokens: most tokens of an answer, by which its bytes are bounded.

    Raises:
        UserError: the address is none, or the environment lacks the key.
    """

    def __init__(
        self, url: str, api_key_env: str | None, setting: str, retries: int, timeout: float, tokens: int
    ) -> None:
        self.url, self.setting, self.retries, self.timeout = url, setting, retries, timeout
        self.most = _BYTES_BESIDE + _BYTES_PER_TOKEN * tokens
        self.secrets = Secrets(url, api_key_env, setting)

    def client(self) -> openai.AsyncOpenAI:
        """Return a client, which is to be closed; a UserError where the address is none."""
        try:
            return openai.AsyncOpenAI(
                base_url=self.url,
                # why: the client refuses to be made without a key, even for a server that needs none
                api_key=self.secrets.key or "none",
                max_retries=self.retries,
                timeout=openai.Timeout(self.timeout, connect=_CONNECT_SECONDS),
                http_client=Bounded(self.most),
            )
        # why: an address that is none makes the library below the client raise errors of several kinds
        except Exception as error:
            raise UserError(f"{self.setting}.url: is no address: {self.secrets.told(error)}") from error

    async def greet(self, client: openai.AsyncOpenAI) -> None:
        """Raise a UserError where the server can't be reached, or refuses the key."""
        try:
            await client.with_options(max_retries=0, timeout=_GREETING_SECONDS).models.with_raw_response.list()
        except openai.APIConnectionError as error:
            reason = self.secrets.told(error)
            raise UserError(f"{self.setting}.url: {self.secrets.url} can't be reached: {reason}") from error
        except _NO_KEY as error:
            raise UserError(self.refusal(error)) from error
        # why: some servers have no list of models; whether they answer requests is seen by asking
        except openai.APIStatusError:
            return

    def refusal(self, error: Exception) -> str:
        """Return the words for a refusal of every request, under the key of the settings that it is about."""
        key = "api_key_env" if isinstance(error, _NO_KEY) else "url"
        return f"{self.setting}.{key}: {self.secrets.url} refuses: {self.secrets.told(error)}"
