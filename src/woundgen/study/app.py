"""The page that readers see: one link a reader, answers on disk before the next picture.

A reader reaches the page, the state, the pictures up to the next one and two actions, all below a token. Pictures are
named by position, so that a repeat cannot be known by its address; nothing that the server holds tells real from
synthetic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from woundgen.errors import UserError
from woundgen.storage.names import LINKS_JSON
from woundgen.study.files import PICTURES, journal_path, read_links, read_study
from woundgen.study.session import SAVED, STALE, Answer, Session

STATIC = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
UNSURE = "unsure"
LONGEST_REMARK = 2000
LONGEST_SECONDS = 24 * 3600


class BadRequest(Exception):
    """A body that no page of ours sends."""


class ReaderPages:
    """The study in `folder`, with every picture in memory and a session for each reader."""

    def __init__(self, folder: Path) -> None:
        self.study = read_study(folder)
        names = sorted({name for order in self.study.orders.values() for name in order})
        if gone := [name for name in names if not (folder / PICTURES / f"{name}.png").is_file()]:
            raise UserError(f"{folder}: {PICTURES}/{gone[0]}.png is gone ({len(gone)} in all).", "Restore it.")
        self.pictures = {name: (folder / PICTURES / f"{name}.png").read_bytes() for name in names}
        links = read_links(folder)
        if absent := sorted(set(self.study.orders) - set(links)):
            raise UserError(f"{folder / LINKS_JSON} has no token for {absent[0]}.", "Restore it.")
        self.sessions = {
            _digest(links[reader]): Session(journal_path(folder, reader), order)
            for reader, order in self.study.orders.items()
        }
        files = resources.files("woundgen.study") / "static"
        self.static = {name: (files / name).read_bytes() for name in STATIC}

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/favicon.ico", _no_icon),
                Route("/static/{name}", self._static),
                Route("/r/{token}/", self._page),
                Route("/r/{token}/state", self._state),
                Route("/r/{token}/picture/{position:int}", self._picture),
                Route("/r/{token}/answer", self._answer, methods=["POST"]),
                Route("/r/{token}/undo", self._undo, methods=["POST"]),
            ]
        )

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()

    def _session(self, request: Request) -> Session | None:
        return self.sessions.get(_digest(request.path_params["token"]))

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static or name == "page.html":
            return _unknown()
        return Response(self.static[name], headers={"content-type": STATIC[name]})

    async def _page(self, request: Request) -> Response:
        if self._session(request) is None:
            return _unknown()
        return Response(self.static["page.html"], headers={"content-type": STATIC["page.html"]})

    async def _state(self, request: Request) -> Response:
        session = self._session(request)
        return _unknown() if session is None else JSONResponse(self._view(session))

    async def _picture(self, request: Request) -> Response:
        session = self._session(request)
        name = None if session is None else session.item(request.path_params["position"])
        if name is None:
            return _unknown()
        return Response(self.pictures[name], headers={"content-type": "image/png"})

    async def _answer(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return _unknown()
        try:
            body = json.loads(await request.body())
            position, nonce, answer = parse_answer(body, phases=self.study.phases)
        except (ValueError, RecursionError, BadRequest) as error:
            return PlainTextResponse(f"Not an answer: {error}.", status_code=422)
        try:
            outcome = await run_in_threadpool(session.answer, position, nonce, answer)
        except OSError as error:
            return PlainTextResponse(f"The answer could not be saved ({error.strerror}).", status_code=507)
        return self._outcome(session, outcome)

    async def _undo(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return _unknown()
        try:
            position = _whole(json.loads(await request.body()), "position", 0, session.total)
        except (ValueError, RecursionError, BadRequest) as error:
            return PlainTextResponse(f"Not an undo: {error}.", status_code=422)
        try:
            outcome = await run_in_threadpool(session.undo, position)
        except OSError as error:
            return PlainTextResponse(f"It could not be saved ({error.strerror}).", status_code=507)
        return self._outcome(session, outcome)

    def _outcome(self, session: Session, outcome: str) -> Response:
        status = 409 if outcome == STALE else 200
        return JSONResponse({"outcome": outcome, "saved": outcome == SAVED, **self._view(session)}, status_code=status)

    def _view(self, session: Session) -> dict[str, Any]:
        """Return the state that a reader may know: how far he is, and his last answer."""
        last = session.last()
        shown = ("call", "confidence", "phase", "plausibility", "remark")
        return {
            "title": self.study.title,
            "done": session.done,
            "total": session.total,
            "size": self.study.size,
            "phases": list(self.study.phases),
            "last": None if last is None else {name: last[name] for name in shown},
        }


def parse_answer(body: object, *, phases: tuple[str, ...]) -> tuple[int, str, Answer]:
    """(position, nonce, answer) of a request's JSON. Raises BadRequest for anything else."""
    if not isinstance(body, dict):
        raise BadRequest("no object")
    known = {"position", "nonce", "call", "confidence", "phase", "plausibility", "remark", "seconds"}
    if set(body) != known:
        raise BadRequest("other fields than an answer has")
    nonce, remark, seconds = body["nonce"], body["remark"], body["seconds"]
    if not isinstance(nonce, str) or not 8 <= len(nonce) <= 64 or not nonce.isalnum() or not nonce.isascii():
        raise BadRequest("nonce")
    if not isinstance(remark, str) or len(remark) > LONGEST_REMARK:
        raise BadRequest("remark")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_SECONDS:
        raise BadRequest("seconds")
    answer = Answer(
        call=_one_of(body, "call", ("real", "synthetic")),
        confidence=_whole(body, "confidence", 1, 5),
        phase=_one_of(body, "phase", (*phases, UNSURE)),
        plausibility=_whole(body, "plausibility", 1, 5),
        remark=remark.encode("utf-8", "replace").decode(),  # lone surrogates cannot be written
        seconds=round(float(seconds), 3),
    )
    return _whole(body, "position", 0, 10**6), nonce, answer


def _one_of(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = body[name]
    if not isinstance(value, str) or value not in allowed:
        raise BadRequest(name)
    return value


def _whole(body: object, name: str, low: int, high: int) -> int:
    value = body.get(name) if isinstance(body, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRequest(name)
    return value


def _digest(token: str) -> bytes:
    """Tokens are compared by digest, so that no timing tells how much of one is right."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def _no_icon(request: Request) -> Response:
    return Response(status_code=204)


def _unknown() -> Response:
    return PlainTextResponse("Not found. Open the link that you were given.", status_code=404)
