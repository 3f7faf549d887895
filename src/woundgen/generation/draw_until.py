"""Draw until enough images are accepted: blocks in index order, screened while the next is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from woundgen.generation.image_set import GeneratedSet
from woundgen.storage.outcomes import SURPLUS, outcome_of_verdict
from woundgen.storage.set_rows import Tally
from woundgen.verdicts import RejectionKind, Verdict

Draw: TypeAlias = Callable[[Sequence[int]], np.ndarray]
Judge: TypeAlias = Callable[[np.ndarray, Sequence[int]], list[Verdict]]


def draw_until(
    count: int,
    *,
    budget: int,
    block: int,
    draw: Draw,
    judge: Judge | None,
    writer: GeneratedSet,
    gives_up: Callable[[Tally], bool] = lambda tally: False,
) -> Iterator[Tally]:
    """Draw until `count` images are accepted or `budget` are drawn; go on from what `writer` already holds.

    gives_up(tally) ends the drawing before; a block that is being screened then is settled.

    Yields the tally at the start and after each screened block; the last is that of the set.

    draw(indices) gives uint8 [block, H, W, 3]; judge(images, indices) a verdict each, in a second thread;
    without a judge all are accepted. The accepted set is the first `count` accepted by index. Blocks are always drawn
    whole (promise 2), so a budget is met to within block - 1 images, and each image drawn has its row.

    What a shortfall means is the caller's to say: see Tally.short_of. Whatever draw or judge raises passes
    through; finished blocks stay, and the same call goes on from them.
    """
    tally = writer.tally()
    yield tally
    pending: Future[Tally] | None = None
    settle = partial(_settle, count=count, judge=judge, writer=writer)

    # Leaving the executor waits for the block being screened: it is kept even where draw raised.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="screening") as screening:
        for first in range(tally.drawn, budget, block):
            if pending is not None and tally.accepted + block >= count:
                # It may complete the set: wait for it, or a block could be drawn that nobody needs.
                tally, pending = pending.result(), None
                yield tally
            if tally.accepted >= count or gives_up(tally):
                break
            indices = range(first, first + block)
            images = draw(indices)
            if pending is not None:
                tally = pending.result()
                yield tally
            pending = screening.submit(settle, tally, indices, images)
        if pending is not None:
            yield pending.result()


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
    return tally.plus(outcome_of_verdict(verdict) for verdict in verdicts)


def first_accepted(verdicts: Sequence[Verdict], *, room: int) -> list[Verdict]:
    """The verdicts with the accepted ones after the first `room` turned down as surplus."""
    limited: list[Verdict] = []
    for verdict in verdicts:
        if verdict.accepted and room == 0:
            verdict = replace(verdict, accepted=False, reason=SURPLUS, kind=RejectionKind.SURPLUS, category=SURPLUS)
        room -= verdict.accepted
        limited.append(verdict)
    return limited
