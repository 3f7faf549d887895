"""The page on which a set is looked over: a grid, single images, filters, decisions by key and in bulk."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from woundgen.review.decisions import REASONS, REJECT, VERDICTS, check_rows, last_row, standing_decisions
from woundgen.web.journal import Journal, read_journal

STATIC = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
MAXIMUM_BODY = 262_144  # a decision on ten thousand images at once
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class ReviewedSet:
    """Content of the page. files: index -> PNG. scores, private: name -> value of each index, None where there is none.

    nearest: index -> rows of photographs, nearest first; photographs: PNG bytes by row, prepared as the set is.
    """

    name: str
    files: Mapping[int, Path]
    labels: Mapping[int, str]
    scores: Mapping[str, Sequence[float | None]]
    private: Mapping[str, Sequence[float | None]]
    nearest: Mapping[int, Sequence[int]]
    photographs: Sequence[bytes]


class ReviewPages:
    """The page of one reviewer, behind a token."""

    def __init__(self, reviewed: ReviewedSet, journal: Path, *, reviewer: str, token: str) -> None:
        self.set, self.reviewer = reviewed, reviewer
        self._token = hashlib.sha256(token.encode()).digest()
        check_rows(read_journal(journal), path=journal)  # an error before the file is opened for writing
        self._journal, self._lock = Journal(journal), threading.Lock()
        files = resources.files("woundgen.review") / "static"
        self.static = {name: (files / name).read_bytes() for name in STATIC}

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/favicon.ico", _no_icon),
                Route("/static/{name}", self._static),
                Route("/r/{token}/", self._page),
                Route("/r/{token}/set", self._data),
                Route("/r/{token}/image/{index:int}", self._image),
                Route("/r/{token}/photograph/{row:int}", self._photograph),
                Route("/r/{token}/decide", self._decide, methods=["POST"]),
                Route("/r/{token}/undo", self._undo, methods=["POST"]),
            ]
        )

    def close(self) -> None:
        self._journal.close()

    def _known(self, request: Request) -> bool:
        token = request.path_params["token"].encode("utf-8", "surrogatepass")
        return hmac.compare_digest(hashlib.sha256(token).digest(), self._token)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static or name == "page.html":
            return _unknown()
        return Response(self.static[name], headers={"content-type": STATIC[name]})

    async def _page(self, request: Request) -> Response:
        if not self._known(request):
            return _unknown()
        return Response(self.static["page.html"], headers={"content-type": STATIC["page.html"]})

    async def _data(self, request: Request) -> Response:
        if not self._known(request):
            return _unknown()
        shown = self.set
        return JSONResponse(
            {
                "name": shown.name, "reviewer": self.reviewer, "reasons": list(REASONS), "indices": list(shown.files),
                "labels": [shown.labels[index] for index in shown.files], "scores": dict(shown.scores),
                "private": dict(shown.private), "nearest": {str(i): list(rows) for i, rows in shown.nearest.items()},
                **self._state(),
            }
        )  # fmt: skip

    async def _image(self, request: Request) -> Response:
        path = self.set.files.get(request.path_params["index"]) if self._known(request) else None
        if path is None or not path.is_file():
            return _unknown()
        return Response(await run_in_threadpool(path.read_bytes), headers={"content-type": "image/png"})

    async def _photograph(self, request: Request) -> Response:
        row = request.path_params["row"]
        if not self._known(request) or not 0 <= row < len(self.set.photographs):
            return _unknown()
        return Response(self.set.photographs[row], headers={"content-type": "image/png"})

    async def _decide(self, request: Request) -> Response:
        if not self._known(request):
            return _unknown()
        try:
            row = self._parse(json.loads(await request.body()))
        except (ValueError, RecursionError, TypeError) as error:
            return PlainTextResponse(f"Not a decision: {error}.", status_code=422)
        return await self._write(self._append, row)

    async def _undo(self, request: Request) -> Response:
        if not self._known(request):
            return _unknown()
        try:
            wanted = json.loads(await request.body())["row"]
            if isinstance(wanted, bool) or not isinstance(wanted, int):
                raise ValueError("row")
        except (ValueError, RecursionError, TypeError, KeyError) as error:
            return PlainTextResponse(f"Not an undo: {error}.", status_code=422)
        return await self._write(self._take_back, wanted)

    async def _write(self, action: Any, argument: Any) -> Response:
        try:
            done = await run_in_threadpool(action, argument)
        except OSError as error:
            return PlainTextResponse(f"It could not be saved ({error.strerror}).", status_code=507)
        return JSONResponse(self._state(), status_code=200 if done else 409)

    def _parse(self, body: Any) -> dict[str, Any]:
        """A row of the journal. Raises ValueError for what no page of ours sends."""
        if not isinstance(body, dict) or set(body) != {"images", "verdict", "reason", "note", "nonce"}:
            raise ValueError("other fields than a decision has")
        images, verdict, reason = body["images"], body["verdict"], body["reason"]
        whole = isinstance(images, list) and all(isinstance(i, int) and not isinstance(i, bool) for i in images)
        if not whole or not images or len(set(images)) != len(images) or not set(images) <= set(self.set.files):
            raise ValueError("images")
        if verdict not in VERDICTS or reason not in (REASONS if verdict == REJECT else ("",)):
            raise ValueError("verdict")
        note, nonce = body["note"], body["nonce"]
        if not isinstance(note, str) or len(note) > LONGEST_NOTE:
            raise ValueError("note")
        if not isinstance(nonce, str) or not nonce.isalnum() or not nonce.isascii() or not 8 <= len(nonce) <= 64:
            raise ValueError("nonce")
        note = note.encode("utf-8", "replace").decode()
        return {"images": images, "verdict": verdict, "reason": reason, "note": note, "nonce": nonce}

    def _append(self, row: dict[str, Any]) -> bool:
        """True also where this very request was written before."""
        with self._lock:
            if not any(known.get("nonce") == row["nonce"] for known in self._journal.rows):
                self._journal.append({**row, "reviewer": self.reviewer, "at": _now()})
        return True

    def _take_back(self, wanted: int) -> bool:
        with self._lock:
            if any(row.get("undo") == wanted for row in self._journal.rows):
                return True
            if last_row(self._journal.rows, self.reviewer) != wanted:
                return False
            self._journal.append({"undo": wanted, "reviewer": self.reviewer, "at": _now()})
        return True

    def _state(self) -> dict[str, Any]:
        """Every standing decision, and which row an undo would take back. Without other reviewers' names."""
        standing = standing_decisions(self._journal.rows)
        decisions = {
            str(index): [one.verdict, one.reason, one.reviewer == self.reviewer] for index, one in standing.items()
        }
        return {"decisions": decisions, "last": last_row(self._journal.rows, self.reviewer)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def _no_icon(request: Request) -> Response:
    return Response(status_code=204)


def _unknown() -> Response:
    return PlainTextResponse("Not found. Open the link that the command printed.", status_code=404)
