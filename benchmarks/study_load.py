"""Fifty readers at once: how long does an answer take to be on disk, and is any lost?

    python benchmarks/study_load.py [--sessions 50] [--seconds 120] [--think 1.0]

Serves a study of noise in a process of its own on the loopback address. Each session asks for the next picture, thinks,
and answers, over one kept connection. Prints quantiles of the time from a request to its reply, and compares every
answer that was acknowledged with the journals on disk. A slow disk or a busy machine counts in.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from woundgen.study.design import order_for_reader
from woundgen.study.files import Study, Truth, draw_ids, journal_path, write_pictures, write_study
from woundgen.study.session import standing_answers
from woundgen.web.journal import read_journal

SIDE, ITEMS = 128, 400


def make_study(folder: Path, readers: int) -> None:
    rng = np.random.default_rng(0)
    names, kinds = draw_ids(ITEMS), ["real", "synthetic"] * (ITEMS // 2)
    folder.mkdir()
    write_pictures(folder, list(rng.integers(0, 256, (ITEMS, SIDE, SIDE, 3), np.uint8)), names)
    truth = {name: Truth(kind, "I", n) for n, (name, kind) in enumerate(zip(names, kinds, strict=True))}
    orders = {
        f"reader-{n}": tuple(order_for_reader(names, kinds, [], repeats=0, rng=np.random.default_rng(n)))
        for n in range(readers)
    }
    write_study(folder, Study("Load", SIDE, ("I", "R"), orders, {}), truth, facts={"real_dir": "", "set_dirs": []})


class Session(threading.Thread):
    """One reader. acknowledged: nonces in order. times: seconds of (pictures, answers)."""

    def __init__(self, link: str, until: float, think: float) -> None:
        super().__init__(daemon=True)
        host, port, self.path = re.match(r"http://([\d.]+):(\d+)(/\S+)", link).groups()  # type: ignore[union-attr]
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.until, self.think = until, think
        self.acknowledged: list[str] = []
        self.times: tuple[list[float], list[float]] = ([], [])

    def ask(self, kind: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        start = time.perf_counter()
        headers = {"content-type": "application/json"} if body else {}
        self.connection.request(method, self.path + path, body, headers)
        reply = self.connection.getresponse()
        content = reply.read()
        self.times[kind].append(time.perf_counter() - start)
        return reply.status, content

    def run(self) -> None:
        time.sleep(secrets.randbelow(1000) / 1000 * self.think)
        for position in range(ITEMS):
            if time.monotonic() > self.until:
                return
            status, content = self.ask(0, "GET", f"picture/{position}")
            assert status == 200, status
            assert content[:4] == b"\x89PNG"
            time.sleep(self.think)
            nonce = secrets.token_hex(16)
            answer = {"position": position, "nonce": nonce, "call": "real", "confidence": 3, "phase": "I",
                      "plausibility": 3, "remark": "", "seconds": self.think}  # fmt: skip
            status, content = self.ask(1, "POST", "answer", json.dumps(answer).encode())
            assert status == 200, content
            assert json.loads(content)["done"] == position + 1
            self.acknowledged.append(nonce)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--think", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "study"
        make_study(folder, args.sessions)
        words = [sys.executable, "-m", "woundgen", "study", "serve", str(folder), "--port", "0"]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        links: dict[str, str] = {}
        for line in server.stdout:
            if found := re.match(r"(reader-\d+) .* (http://\S+)", line):
                links[found[1]] = found[2]
            if line.startswith("answers are on disk"):
                break
        until = time.monotonic() + args.seconds
        sessions = {reader: Session(link, until, args.think) for reader, link in links.items()}
        for session in sessions.values():
            session.start()
        for session in sessions.values():
            session.join()
        server.terminate()
        server.wait()
        lost = sum(
            [row["nonce"] for row in standing_answers(read_journal(journal_path(folder, reader)))] != one.acknowledged
            for reader, one in sessions.items()
        )
    for kind, name in enumerate(("picture", "answer")):
        times = np.concatenate([one.times[kind] for one in sessions.values()]) * 1000
        shown = ", ".join(f"p{q} {np.percentile(times, q):.0f} ms" for q in (50, 95, 99))
        print(f"{name}: {len(times)} requests, {shown}, longest {times.max():.0f} ms")
    print(f"{args.sessions} sessions, {sum(len(s.acknowledged) for s in sessions.values())} answers acknowledged; "
          f"journals that differ from what was acknowledged: {lost}")  # fmt: skip
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
