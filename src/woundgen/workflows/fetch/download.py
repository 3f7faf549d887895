"""One file over the network: the only code of the package that opens a connection. Only `woundgen fetch` comes here."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from woundgen.errors import Code, UserError
from woundgen.events import Progress, Work

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60  # without a byte, not in all
GONE = (401, 403, 404, 410)  # what a hub answers for a repository that was withdrawn, or was never there


def download(address: str, target: Path) -> Work[str]:
    """Return the SHA-256 of the file at `address`, saved to `target`.

    UserError where the server does not answer or sends less than it announced; its code is NOT_ON_SERVER where the
    answer was that there is no such file.
    """
    if not address.startswith(("https://", "http://")):
        raise UserError(f"{address} is no http address.", "Give --mirror https://…, or --from FOLDER.")
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "woundgen"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as out:
            length = int(answer.headers.get("Content-Length") or 0)
            digest, size = yield from _pump(answer, out, length, target.name)
    except urllib.error.HTTPError as error:
        raise UserError(
            f"{address} answers {error.code} {error.reason}.",
            "Try later, --mirror or --from.",
            code=Code.NOT_ON_SERVER if error.code in GONE else Code.OTHER,
        ) from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        why = getattr(error, "reason", None) or error
        raise UserError(f"{address} cannot be reached ({why}).", "Try again, --mirror or --from FOLDER.") from None
    if length and size != length:
        raise UserError(f"{address} ended after {size} of {length} bytes.", "Try again.")
    return digest


def _pump(answer: BinaryIO, out: BinaryIO, length: int, name: str) -> Work[tuple[str, int]]:
    state, size = hashlib.sha256(), 0
    while chunk := answer.read(CHUNK):
        state.update(chunk)
        out.write(chunk)
        size += len(chunk)
        yield Progress(size, max(length, size), name)
    return state.hexdigest(), size
