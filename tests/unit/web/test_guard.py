"""The guard by itself, in front of an application that answers everything: who may ask, and how much."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from woundgen.web.guard import guard

HOST = "127.0.0.1:8765"
JSON = {"content-type": "application/json"}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body that reached it."""
    message = await receive()
    reply = JSONResponse(len(message.get("body", b"")), headers={"cache-control": "public"})
    await reply(scope, receive, send)


@pytest.fixture
def client() -> TestClient:
    return TestClient(guard(application, hosts=[HOST], maximum_body=100), base_url=f"http://{HOST}")


def test_what_is_allowed_goes_through(client: TestClient) -> None:
    assert client.get("/").json() == 0
    assert client.post("/", content=b"x" * 100, headers=JSON).json() == 100
    own = {**JSON, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    assert client.post("/", content=b"1", headers=own).json() == 1


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("GET", {"host": "evil.example"}, b"", 421),
        ("GET", {"host": "127.0.0.1"}, b"", 421),
        ("GET", {"host": "127.0.0.1:8765.evil.example"}, b"", 421),
        ("PUT", JSON, b"1", 405),
        ("TRACE", {}, b"", 405),
        ("POST", {"content-type": "text/plain"}, b"1", 415),
        ("POST", {"content-type": "application/x-www-form-urlencoded"}, b"a=1", 415),
        ("POST", {**JSON, "origin": "http://evil.example"}, b"1", 403),
        ("POST", {**JSON, "origin": f"http://{HOST}.evil.example"}, b"1", 403),
        ("POST", {**JSON, "origin": "null"}, b"1", 403),
        ("POST", {**JSON, "sec-fetch-site": "cross-site"}, b"1", 403),
        ("POST", {**JSON, "content-length": "many"}, b"1", 400),
        ("POST", JSON, b"x" * 101, 413),
    ],
)
def test_what_is_not(client: TestClient, method: str, headers: dict[str, str], body: bytes, status: int) -> None:
    reply = client.request(method, "/", headers=headers, content=body)
    assert reply.status_code == status
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_a_body_that_hides_its_length_is_cut(client: TestClient) -> None:
    reply = client.post("/", content=(b"x" * 40 for _ in range(4)), headers=JSON)
    assert reply.status_code == 413


def test_every_answer_carries_ours_and_not_the_applications_rules(client: TestClient) -> None:
    headers = client.get("/").headers
    assert headers["cache-control"] == "no-store, max-age=0"
    assert headers["x-frame-options"] == "DENY"


def test_a_websocket_is_closed(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/", headers={"host": HOST}):
        pass
