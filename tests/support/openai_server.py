"""A small server that speaks OpenAI's protocol: what a teacher behind HTTP is in tests."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

Rule = Callable[[dict, int], str | bytes | Callable[[BinaryIO], None] | None]
"""From a request's body and how often it has been asked, what goes wrong: a status ("500"), or a word of
`TeacherServer`'s: cut, half, html, none, null, uncounted, empty, odd, long, thoughts, surrogate; or all bytes of the
reply, or what writes them."""


def reply(content: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """All bytes of a reply; `length` is what it says of its own, if not the truth."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content) if length is None else length}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections come all at once

    def handle_error(self, *args: object) -> None:
        """A client that was killed is no news."""


class TeacherServer:
    """Answers `1+2` with its boxed sum, or one that is off by one; a function of the prompt and the seed alone.

    Args:
        rule: what goes wrong.
        delay: seconds of each answer, times 0 to 1 by its seed: they end out of order.
    """

    def __init__(self, rule: Rule = lambda body, asked: None, delay: float = 0.0) -> None:
        self.rule, self.delay = rule, delay
        self.asked: Counter[tuple[str, int]] = Counter()
        """Of each (prompt, seed), how often it was asked."""
        self.bodies: list[dict] = []
        self.keys: list[str] = []
        self.under_way = self.most = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def respond(self, body: dict) -> tuple[Any, int, dict]:
        """What goes wrong, or nothing; status; answer."""
        prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        seed = body.get("seed", 0)
        with self._lock:
            self.bodies.append(body)
            self.asked[prompt, seed] += 1
            asked = self.asked[prompt, seed]
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.delay * (seed % 1000) / 1000)
        with self._lock:
            self.under_way -= 1
        wrong = self.rule(body, asked) or ""
        if not isinstance(wrong, str):
            return wrong, 0, {}
        if wrong.isdigit():
            return "", int(wrong), {"error": {"message": f"made up {wrong}", "type": "x", "code": None, "param": None}}
        return wrong, 200, self._answer(body, prompt, wrong)

    def _answer(self, body: dict, prompt: str, wrong: str) -> dict:
        first, second = prompt.split("|")[-1].split("=")[0].split("+")
        text = rf"{prompt}\boxed{{{int(first) + int(second) + body.get('seed', 0) % 2}}}"
        text = {"empty": "", "surrogate": text + "\ud800"}.get(wrong, text)
        reason = {"odd": "content_filter", "long": "length"}.get(wrong, "stop")
        choice: dict = {"index": 0, "finish_reason": reason}
        if "prompt" in body:
            choice |= {"text": text, "logprobs": None}
        else:
            choice["message"] = {"role": "assistant", "content": text}
            if wrong == "thoughts":
                choice["message"]["reasoning_content"] = "\nhm\n"
        usage = {"prompt_tokens": 3, "completion_tokens": len(text), "total_tokens": 3 + len(text)}
        kind = "text_completion" if "prompt" in body else "chat.completion"
        choices = {"none": [], "null": None}.get(wrong, [choice])
        answer = {"id": "x", "object": kind, "created": 0, "model": body["model"], "choices": choices}
        return answer | ({} if wrong == "uncounted" else {"usage": usage})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send("", 200, {"object": "list", "data": []})

            def do_POST(self) -> None:
                teacher.keys.append(self.headers["Authorization"])
                self._send(*teacher.respond(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def _send(self, wrong: Any, status: int, value: dict) -> int | None:
                if not isinstance(wrong, str):
                    self.close_connection = True
                    return wrong(self.wfile) if callable(wrong) else self.wfile.write(wrong)
                data = b"<html>busy</html>" if wrong == "html" else json.dumps(value).encode()
                self.close_connection = wrong in ("cut", "half")
                if wrong == "cut":
                    return None
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if wrong == "html" else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                return self.wfile.write(data[: len(data) // 2] if wrong == "half" else data)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def serving(kind: type[TeacherServer]) -> Iterator[Callable[..., TeacherServer]]:
    """Give what starts servers of a kind, and close them at the end: the body of a fixture."""
    servers = []

    def start(*args: Any, **values: Any) -> TeacherServer:
        servers.append(kind(*args, **values))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
