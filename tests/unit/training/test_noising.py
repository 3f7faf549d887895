"""The two noise streams: old runs keep theirs, new runs on a GPU have their own, and both resume exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from woundgen.diffusion.objective import add_noise, training_target
from woundgen.diffusion.philox import philox_normal
from woundgen.diffusion.randomness import normal
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.training.generators import draws_digest
from woundgen.training.noising import (
    DEVICE_STREAM,
    HOST_STREAM,
    NoiseSettings,
    Noising,
    RecordedNoise,
    build_noising,
    choose_noise_stream,
)
from woundgen.training.state import counters, noise_stream_in, pack, unpack

from ..recorders import StandIn
from .rig import Rig, photographs

MakeBase = Callable[[], BaseModel]
ALPHAS = torch.linspace(0.999, 0.01, 1000)
TIMESTEPS = torch.tensor([3, 500, 990])
ROWS, SLOTS, STEP, SEED, OFFSET = [4, 0, 2], [1, 2, 3], 9, 3, 0.2


def noising(stream: int, recorder: RecordedNoise | None = None, *, offset: float = OFFSET) -> Noising:
    settings = NoiseSettings(SEED, offset, ALPHAS, "v_prediction", torch.device("cpu"))
    return build_noising(photographs(), settings, stream=stream, recorder=recorder)


def test_devices_of_new_runs() -> None:
    assert choose_noise_stream(torch.device("cpu")) == HOST_STREAM
    assert choose_noise_stream(torch.device("cuda")) == DEVICE_STREAM


def test_stream_1_is_what_older_runs_draw() -> None:
    """Written out as the loop of 0.1.0 had it."""
    latents = photographs()
    clean = latents.sample(ROWS, seed=SEED, step=STEP, slots=SLOTS)
    noise = normal((4, 8, 8), SEED, "noise", STEP, SLOTS)
    noise += OFFSET * normal((4, 1, 1), SEED, "noise offset", STEP, SLOTS)
    found = noising(HOST_STREAM)(ROWS, STEP, SLOTS, TIMESTEPS)
    assert torch.equal(found.clean, clean)
    assert torch.equal(found.noisy, add_noise(clean, noise, TIMESTEPS, ALPHAS))
    assert torch.equal(found.target, training_target(clean, noise, TIMESTEPS, ALPHAS, "v_prediction"))


def test_stream_2_is_the_same_process_with_other_numbers() -> None:
    latents = photographs()
    found = noising(DEVICE_STREAM)(ROWS, STEP, SLOTS, TIMESTEPS)
    mean, deviation = latents.moments(ROWS, seed=SEED, step=STEP, slots=SLOTS)
    step, slots = torch.tensor(STEP), torch.tensor(SLOTS)

    def draw(stream: str, *shape: int) -> torch.Tensor:
        return philox_normal(shape, seed=SEED, stream=stream, step=step, slots=slots)

    clean = (mean + deviation * draw("posterior", 4, 8, 8)) * latents.scale
    noise = draw("noise", 4, 8, 8) + OFFSET * draw("noise offset", 4, 1, 1)
    torch.testing.assert_close(found.clean, clean)
    torch.testing.assert_close(found.noisy, add_noise(clean, noise, TIMESTEPS, ALPHAS))
    torch.testing.assert_close(found.target, training_target(clean, noise, TIMESTEPS, ALPHAS, "v_prediction"))
    assert not torch.isclose(found.noisy, noising(HOST_STREAM)(ROWS, STEP, SLOTS, TIMESTEPS).noisy).any()


@pytest.mark.parametrize("stream", [HOST_STREAM, DEVICE_STREAM])
def test_a_sample_depends_on_its_place_in_the_run_alone(stream: int) -> None:
    whole = noising(stream)(ROWS, STEP, SLOTS, TIMESTEPS)
    part = noising(stream)(ROWS[1:], STEP, SLOTS[1:], TIMESTEPS[1:])
    for name in ("clean", "noisy", "target"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[1:])


@pytest.mark.parametrize("lie", ["", "scaled", "stale"])
def test_a_recording_changes_nothing(lie: str) -> None:
    warnings: list[str] = []
    recorded = noising(DEVICE_STREAM, RecordedNoise(StandIn(lie), warnings))
    plain = noising(DEVICE_STREAM)
    for step in (9, 10, 11):
        assert torch.equal(recorded(ROWS, step, SLOTS, TIMESTEPS).noisy, plain(ROWS, step, SLOTS, TIMESTEPS).noisy)
    assert len(warnings) == (lie != "")
    assert all("noise" in warning for warning in warnings)


def run(base: BaseModel, stream: int, *, until: int | None = None) -> Rig:
    rig = Rig.build(base, dropout=0.1, noise_offset=0.1, micro_batch=3)
    rig.state.noise_stream = stream
    return rig.run(until=until)


@pytest.mark.parametrize("stream", [HOST_STREAM, DEVICE_STREAM])
def test_a_resumed_run_is_the_one_that_was_never_stopped(make_base: MakeBase, stream: int) -> None:
    """To the bit, through the tensors and counters of a checkpoint."""
    whole = run(make_base(), stream)
    first = run(make_base(), stream, until=3)
    tensors, saved = pack(first.trainable, first.optimizer, first.state), counters(first.state)
    second = Rig.build(make_base(), dropout=0.1, noise_offset=0.1, micro_batch=3)
    second.state = unpack(tensors, saved, trainable=second.trainable, optimizer=second.optimizer)
    assert second.state.noise_stream == stream
    second.run()
    assert first.losses + second.losses == whole.losses
    assert torch.equal(second.values, whole.values)


def test_streams_train_otherwise(make_base: MakeBase) -> None:
    assert run(make_base(), HOST_STREAM, until=2).losses != run(make_base(), DEVICE_STREAM, until=2).losses


def test_checkpoints_of_older_runs_have_stream_1() -> None:
    assert noise_stream_in({}) == HOST_STREAM
    assert noise_stream_in({"noise_stream": 2}) == DEVICE_STREAM
    for unknown in (3, "2", None):
        with pytest.raises(UserError, match="noise_stream"):
            noise_stream_in({"noise_stream": unknown})


def test_the_digest_of_a_machines_numbers_is_of_the_runs_stream() -> None:
    host, device = (draws_digest(3, 5, noise_stream=stream) for stream in (HOST_STREAM, DEVICE_STREAM))
    assert host == draws_digest(3, 5)
    assert host != device
    assert device != draws_digest(3, 6, noise_stream=DEVICE_STREAM)
