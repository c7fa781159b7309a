"""A Hub of files in memory, behind HTTP, so that `datasets` and its client are the real ones."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0" * 39 + "1"


@contextmanager
def hub(monkeypatch, folder, name: str, files: dict[str, bytes]) -> Iterator[list[str]]:
    """One dataset of this name; what `datasets` keeps is below the folder. Gives the paths that are asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(name, files, asked))
    thread = Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", address)
    monkeypatch.setattr("datasets.config.HUB_DATASETS_URL", address + "/datasets/{repo_id}/resolve/{revision}/{path}")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(name: str, files: dict[str, bytes], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    entries = [
        {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for path, content in files.items()
    ]

    folders = {path.rpartition("/")[0] for path in files} - {""}
    entries += [{"type": "directory", "path": path, "oid": "0"} for path in folders]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            asked.append(self.path)
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/datasets/{name}/tree/"):
                folder = "".join(f"{part}/" for part in path.split("/")[7:])
                self.answer([entry for entry in entries if re.fullmatch(f"{re.escape(folder)}[^/]+", entry["path"])])
            elif path == f"/api/datasets/{name}" or path.startswith(f"/api/datasets/{name}/revision/"):
                self.answer({"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]})
            elif found := re.fullmatch(rf"/datasets/{name}/resolve/\w+/(.+)", path):
                self.give(files.get(found[1]))
            else:
                self.answer({"error": "no such thing"}, 404)

        do_HEAD = do_GET

        def do_POST(self):
            asked.append(self.path)
            wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))["paths"]
            self.answer([entry for entry in entries if entry["path"] in wanted])

        def answer(self, value, status=200):
            self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def give(self, content):
            if content is None:
                self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            else:
                self.send(200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

        def send(self, status, content, headers):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler
