"""A guard in front of a page's application: who may ask, how much may be sent, and what the browser may do.

An ASGI middleware without a framework, so that what it promises can be read in one place:
- the Host header names this server (a page of another site cannot reach it by DNS rebinding);
- a request that changes something is JSON and, where the browser says so, comes from this very page;
- a body has at most `maximum_body` bytes, whatever its header says;
- no answer is cached, framed, sniffed or referred from, and scripts, styles and pictures are this server's alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAXIMUM_BODY = 16_384
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"cache-control", b"no-store, max-age=0"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"x-robots-tag", b"noindex"),
)


def guard(application: Application, *, hosts: Collection[str], maximum_body: int = MAXIMUM_BODY) -> Application:
    """The application behind the checks above. hosts: allowed Host headers, such as 127.0.0.1:8000."""
    allowed = {host.lower() for host in hosts}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()  # a websocket's opening, which gets no answer but the refusal
            await send({"type": "websocket.close", "code": 1008})
            return
        refused = _fault(scope, allowed, maximum_body)
        if refused is None:
            refused, receive = await _read_body(scope, receive, maximum_body)
        sending = _with_headers(send)
        if refused is not None:
            await _refuse(sending, *refused)
            return
        await application(scope, receive, sending)

    return guarded


def _fault(scope: Scope, allowed: set[str], maximum_body: int) -> tuple[int, str] | None:
    """(status, reason) of a request that is not taken."""
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value.lower() for name, value in headers if name == b"host"]
    if len(hosts) != 1 or hosts[0] not in allowed:
        return 421, "This server does not answer to that name."
    if scope["method"] not in ("GET", "HEAD", "POST"):
        return 405, "Only GET and POST."
    if scope["method"] == "POST":
        values = dict(headers)
        if values.get(b"content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "Only JSON."
        origin = values.get(b"origin")
        if origin is not None and origin.lower().split("://")[-1] != hosts[0]:
            return 403, "The request comes from another page."
        if values.get(b"sec-fetch-site", "same-origin").lower() not in ("same-origin", "none"):
            return 403, "The request comes from another page."
        try:
            if int(values.get(b"content-length", "0")) > maximum_body:
                return 413, "Too long."
        except ValueError:
            return 400, "Content-Length is no number."
    return None


async def _read_body(scope: Scope, receive: Receive, maximum_body: int) -> tuple[tuple[int, str] | None, Receive]:
    """The body is read here, up to its limit, and handed on as one message."""
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return (400, "The connection was closed."), receive
        body += message.get("body", b"")
        if len(body) > maximum_body:
            return (413, "Too long."), receive
        more = message.get("more_body", False)
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return None, replay


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in HEADERS}
            others = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
            message = {**message, "headers": [*others, *HEADERS]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
