"""Serve an application until it is interrupted: on the loopback address unless another is asked for."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from woundgen.errors import UserError
from woundgen.web.guard import MAXIMUM_BODY, Application, guard

if TYPE_CHECKING:
    pass

LOOPBACK = "127.0.0.1"
EXTRA = "pip install 'woundgen[study]'"


@dataclass(frozen=True, slots=True)
class Address:
    """host: to listen on. names: further Host headers to answer to. certificate, key: PEM files, for TLS."""

    host: str = LOOPBACK
    port: int = 0
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def scheme(self) -> str:
        return "https" if self.certificate is not None else "http"

    def hosts(self, port: int) -> list[str]:
        """Host headers that mean this server."""
        names = [self.host, *self.names, *(["127.0.0.1", "localhost", "::1"] if self.is_loopback else [])]
        shown = [f"[{name}]" if ":" in name else name for name in names if name not in ("0.0.0.0", "::")]
        standard = {"http": 80, "https": 443}[self.scheme]
        return [f"{name}:{port}" for name in shown] + (shown if port == standard else [])

    def url(self, port: int) -> str:
        name = self.names[0] if self.names else self.host
        return f"{self.scheme}://{f'[{name}]' if ':' in name else name}:{port}"


def require_extra() -> None:
    """UserError that names the extra where starlette or uvicorn is absent."""
    try:
        import starlette
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(f"The pages need {error.name}, which is not installed.", f"{EXTRA}.") from None
    del starlette


def check_address(address: Address, *, what: str) -> list[str]:
    """Warnings about who can open the page. Raises UserError for a certificate without a key and the like."""
    if (address.certificate is None) != (address.key is None):
        raise UserError("--certificate and --key go together.", "Give both PEM files, or neither.")
    for path in (address.certificate, address.key):
        if path is not None and not path.is_file():
            raise UserError(f"{path} does not exist.", "Give the PEM file of the certificate and that of its key.")
    if address.host in ("0.0.0.0", "::") and not address.names:
        raise UserError(
            f"--host {address.host} names no address that a browser would ask for.",
            "Add --name HOSTNAME, which readers type.",
        )
    if address.is_loopback:
        return []
    lines = [f"warning: {what} are served to every machine that reaches {address.host}; anyone with a link sees them"]
    if address.certificate is None:
        lines.append("warning: without --certificate and --key they cross the network unencrypted")
    return lines


@dataclass(frozen=True, slots=True)
class Server:
    """A server whose port is taken. url: of its first page, without a path."""

    url: str
    _run: Callable[[], None]

    def run(self) -> None:
        """Serve until interrupted."""
        self._run()


def open_server(build: Callable[[], Application], address: Address, *, maximum_body: int = MAXIMUM_BODY) -> Server:
    """Take the port and build the application. UserError where the port cannot be used."""
    import uvicorn

    config = uvicorn.Config(
        _unserved, host=address.host, port=address.port, log_level="warning", access_log=False, server_header=False,
        date_header=False, proxy_headers=False, ws="none", lifespan="off", timeout_keep_alive=30, backlog=512,
        limit_concurrency=1000, h11_max_incomplete_event_size=16_384, timeout_graceful_shutdown=3,
        ssl_certfile=address.certificate, ssl_keyfile=address.key,
    )  # fmt: skip
    try:
        socket = config.bind_socket()
    except SystemExit:
        raise UserError(f"Port {address.port} of {address.host} cannot be used.", "Choose another --port.") from None
    port = socket.getsockname()[1]
    config.app = guard(build(), hosts=address.hosts(port), maximum_body=maximum_body)
    config.load()
    return Server(address.url(port), lambda: uvicorn.Server(config).run(sockets=[socket]))


async def _unserved(scope: object, receive: object, send: object) -> None:
    raise AssertionError("replaced before the server starts")
