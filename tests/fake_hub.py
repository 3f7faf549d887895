"""A hub on this machine that answers huggingface_hub's own client: repositories in memory, every request kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class FakeHub:
    """files: repository -> path -> content. created: bodies of the requests that made repositories."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refuse: int = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """(status, JSON) as the hub's documented endpoints give them."""
        self.requests.append(f"{method} {path}")
        if self.refuse:
            return self.refuse, {"error": "refused"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            self.created.append(asked)
            exists = name in self.files
            self.files.setdefault(name, {".gitattributes": b""})
            return (409 if exists else 200), {"url": f"{self.address}/{asked.get('type', 'model')}s/{name}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        repo = "/".join(path.split("/")[3:5])
        if "/tree/" in path:
            listed = self.files.get(repo, {})
            return 200, [{"type": "file", "path": p, "size": len(c), "oid": "0" * 40} for p, c in listed.items()]
        if "/preupload/" in path:
            asked = [one["path"] for one in json.loads(body)["files"]]
            return 200, {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]}
        if "/commit/" in path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[repo][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            kind = path.split("/")[2]
            place = repo if kind == "models" else f"{kind}/{repo}"
            return 200, {"commitUrl": f"{self.address}/{place}/commit/{'1' * 40}", "commitOid": "1" * 40}
        return 404, {"error": f"{method} {path} is not faked"}


@contextmanager
def serve_hub() -> Iterator[FakeHub]:
    """Serve on a free port of this machine until left."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply()

        do_POST = do_GET

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = hub.answer(self.command, self.path.split("?")[0], body)
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
