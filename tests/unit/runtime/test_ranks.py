"""Two processes (gloo, CPU) see what one process sees, and stop and go on like one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.runtime.ranks import ALONE, Ranks, first_rank_first, process_group
from woundgen.training.state import counters, pack, unpack
from woundgen.training.validation import build_grid, per_image_loss

from ...forks import in_two_processes
from ..training.rig import Rig, photographs, prompt_embeds

MakeBase = Callable[[], BaseModel]
STEPS = 20
# Of 11 images: one process takes 8 + 3; two take 4 + 3 and 4. Weighted losses, prompt dropout and LoRA dropout.
WEIGHTED = {"steps": STEPS, "global_batch": 11, "min_snr_gamma": 5.0, "prompt_dropout": 0.3, "noise_offset": 0.1}


def outcome(rig: Rig) -> dict[str, Tensor]:
    return pack(rig.trainable, rig.optimizer, rig.state) | {"losses": torch.tensor(rig.losses, dtype=torch.float64)}


def test_two_times_four_is_one_times_eight(make_base: MakeBase, tmp_path: Path) -> None:
    """Losses to 1e-5, the adapter's change to 1e-4 of its norm; both ranks hold the same bits."""
    start = Rig.build(make_base(), dropout=0.1, micro_batch=8, **WEIGHTED)
    begun = start.values.clone()
    one = outcome(start.run())
    first, second = in_two_processes(
        lambda ranks: outcome(Rig.build(make_base(), dropout=0.1, micro_batch=4, **WEIGHTED).run(ranks=ranks)), tmp_path
    )
    assert len(one["losses"]) == STEPS
    torch.testing.assert_close(first["losses"], one["losses"], rtol=1e-5, atol=0)
    change, apart = one["values"] - begun, first["values"] - one["values"]
    assert change.norm() > 0.1
    assert apart.norm() <= 1e-4 * change.norm()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_rank_left_out_would_be_seen(make_base: MakeBase) -> None:
    """The comparison can fail: half of the micro-batches alone give other losses."""
    one = Rig.build(make_base(), micro_batch=8, **WEIGHTED).run(until=1)
    half = Rig.build(make_base(), micro_batch=4, **WEIGHTED)
    half.run(until=1, ranks=_Lonely())  # type: ignore[arg-type]
    assert abs(half.losses[0] - one.losses[0]) > 1e-2


class _Lonely:
    """The first of two, to whom the other says nothing."""

    rank, size = 0, 2

    def shard(self, things: int) -> range:
        return range(0, things, 2)

    def all_reduce_sum(self, tensor: Tensor) -> None:
        pass


def test_two_processes_stopped_and_gone_on_with(make_base: MakeBase, tmp_path: Path) -> None:
    """To the bit what two undisturbed ones give; and one process can go on from where two were."""

    def whole(ranks: Ranks) -> dict[str, Tensor]:
        return outcome(Rig.build(make_base(), dropout=0.1, micro_batch=2).run(ranks=ranks))

    def halves(ranks: Ranks) -> dict[str, Tensor]:
        begun = Rig.build(make_base(), dropout=0.1, micro_batch=2).run(until=3, ranks=ranks)
        return outcome(again(begun, micro_batch=2).run(ranks=ranks))

    def again(begun: Rig, *, micro_batch: int) -> Rig:
        fresh = Rig.build(make_base(), dropout=0.1, micro_batch=micro_batch)
        saved = pack(begun.trainable, begun.optimizer, begun.state)
        fresh.state = unpack(saved, counters(begun.state), trainable=fresh.trainable, optimizer=fresh.optimizer)
        return fresh

    undisturbed = in_two_processes(whole, tmp_path)[0]
    stopped = in_two_processes(halves, tmp_path)[0]
    for name in set(undisturbed) - {"losses"}:
        assert torch.equal(undisturbed[name], stopped[name]), name
    assert torch.equal(undisturbed["losses"][3:], stopped["losses"])
    alone = again(Rig.build(make_base(), dropout=0.1, micro_batch=4).run(until=3), micro_batch=4).run()
    torch.testing.assert_close(alone.values, undisturbed["values"], rtol=0, atol=1e-5)


def test_validation_is_shared_to_the_bit(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base()
    latents = photographs().mean[:, 0]
    grid = build_grid(latents, alphas_cumprod=base.alphas_cumprod, prediction=base.prediction, timesteps=3, seed=0)

    def losses(ranks: Ranks) -> dict[str, Tensor]:
        texts = lambda rows: prompt_embeds(rows.tolist(), [False] * len(rows))  # noqa: E731
        return {"losses": per_image_loss(base.unet, grid, texts, batch=4, ranks=ranks)}

    one = losses(ALONE)["losses"]
    for found in in_two_processes(losses, tmp_path):
        assert torch.equal(found["losses"], one)


def test_what_one_knows_all_know(tmp_path: Path) -> None:
    """A decision of the first, a signal that reached the second; and disagreement is an error on both."""

    def work(ranks: Ranks) -> dict[str, Tensor]:
        heard = ranks.all_reduce_max([1, 0] if ranks.first else [0, 15])
        ranks.assert_same(7, "number")
        with pytest.raises(UserError, match="do not have the same step"):
            ranks.assert_same(ranks.rank, "step")
        return {"heard": torch.tensor(heard)}

    assert [found["heard"].tolist() for found in in_two_processes(work, tmp_path)] == [[1, 15], [1, 15]]


def test_what_one_has_all_get(tmp_path: Path) -> None:
    """Texts of either rank, an empty one too; and what the first leaves on disk before the second looks."""

    def work(ranks: Ranks) -> dict[str, Tensor]:
        texts = [ranks.broadcast(f"of {ranks.rank}: ä" if ranks.rank == by else "no", source=by) for by in (1, 0)]
        assert texts == ["of 1: ä", "of 0: ä"]
        assert ranks.broadcast("", source=1) == ""
        with first_rank_first(ranks):
            found = (tmp_path / "left").exists()
            if ranks.first:
                time.sleep(0.3)
                (tmp_path / "left").touch()
        return {"found": torch.tensor(found)}

    assert [found["found"].item() for found in in_two_processes(work, tmp_path)] == [False, True]


@pytest.mark.parametrize(("asked", "size"), [(2, 1), (4, 2), (1, 2)])
def test_fewer_than_asked_is_an_error(asked: int, size: int) -> None:
    with (
        pytest.raises(UserError, match=f"--devices {asked}, but the launcher started {size}"),
        process_group(0, size, asked=asked, device=torch.device("cpu")),
    ):
        pass


def test_alone_nothing_is_said() -> None:
    tensor = torch.ones(3)
    ALONE.all_reduce_sum(tensor)
    assert tensor.tolist() == [1, 1, 1]
    assert ALONE.all_reduce_max([3, 0]) == [3, 0]
    assert ALONE.broadcast("text", source=0) == "text"
    assert list(ALONE.shard(3)) == [0, 1, 2]
