"""Draw until enough images are accepted: blocks in index order, screened while the next is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from woundgen.generation.image_set import GeneratedSet
from woundgen.records import Verdict
from woundgen.storage.set_rows import SURPLUS, Tally

Draw: TypeAlias = Callable[[Sequence[int]], np.ndarray]
Judge: TypeAlias = Callable[[np.ndarray, Sequence[int]], list[Verdict]]
Progress: TypeAlias = Callable[[int, int, int], None]


def draw_until(
    count: int,
    *,
    budget: int,
    block: int,
    draw: Draw,
    judge: Judge | None,
    writer: GeneratedSet,
    progress: Progress,
) -> Tally:
    """Draw until `count` images are accepted or `budget` are drawn; go on from what `writer` already holds.

    draw(indices) gives uint8 [block, H, W, 3]; judge(images, indices) a verdict each, in a second thread;
    without a judge all are accepted. progress(drawn, accepted, rejected) is called at the start and after
    each screened block. The accepted set is the first `count` accepted by index. Blocks are always drawn
    whole (promise 2), so a budget is met to within block - 1 images, and each image drawn has its row.

    What a shortfall means is the caller's to say: see Tally.short_of. Whatever draw or judge raises passes
    through; finished blocks stay, and the same call goes on from them.
    """
    tally = writer.tally()
    progress(tally.drawn, tally.accepted, tally.rejected)
    pending: Future[Tally] | None = None
    settle = partial(_settle, count=count, judge=judge, writer=writer)

    def finish(screened: Future[Tally]) -> Tally:
        reached = screened.result()
        progress(reached.drawn, reached.accepted, reached.rejected)
        return reached

    # Leaving the executor waits for the block being screened: it is kept even where draw raised.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="screening") as screening:
        for first in range(tally.drawn, budget, block):
            if pending is not None and tally.accepted + block >= count:
                # It may complete the set: wait for it, or a block could be drawn that nobody needs.
                tally, pending = finish(pending), None
            if tally.accepted >= count:
                break
            indices = range(first, first + block)
            images = draw(indices)
            if pending is not None:
                tally = finish(pending)
            pending = screening.submit(settle, tally, indices, images)
        return tally if pending is None else finish(pending)


def _settle(
    tally: Tally,
    indices: Sequence[int],
    images: np.ndarray,
    *,
    count: int,
    judge: Judge | None,
    writer: GeneratedSet,
) -> Tally:
    """Judge a block, write it, and count it."""
    judged = judge(images, indices) if judge else [Verdict(accepted=True, reason="") for _ in indices]
    verdicts = first_accepted(judged, room=tally.short_of(count))
    writer.append(indices, images, verdicts)
    return tally.plus((verdict.accepted, verdict.reason) for verdict in verdicts)


def first_accepted(verdicts: Sequence[Verdict], *, room: int) -> list[Verdict]:
    """The verdicts with the accepted ones after the first `room` turned down as surplus."""
    limited: list[Verdict] = []
    for verdict in verdicts:
        if verdict.accepted and room == 0:
            verdict = replace(verdict, accepted=False, reason=SURPLUS)
        room -= verdict.accepted
        limited.append(verdict)
    return limited
