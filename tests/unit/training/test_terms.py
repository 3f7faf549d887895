"""Terms on the clean estimate: their closed form, their share, and what they do to a run of the loop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from woundgen.config.optimization_groups import AdversarialOptions
from woundgen.diffusion.objective import PredictionType, add_noise, training_target
from woundgen.features.load import load_extractor
from woundgen.models.base import BaseModel
from woundgen.runtime.ranks import ALONE
from woundgen.storage.checkpoint import read_checkpoint, write_checkpoint
from woundgen.training.discriminator import Discriminator
from woundgen.training.optimizer_state import strip_prefix
from woundgen.training.perceptual_term import latent_distance
from woundgen.training.state import counters, pack, unpack
from woundgen.training.terms import Batch, ExtraTerm, TermTally, add_gradients

from .rig import Rig

MakeBase = Callable[[], BaseModel]


def squares(estimate: Tensor, clean: Tensor) -> Tensor:
    return (estimate - clean).square().flatten(1).mean(1)


def term(**changed: object) -> ExtraTerm:
    settings: dict[str, object] = {"name": "extra", "weight": 0.1, "share": 1.0, "least_snr": 1e-9, "loss": squares}
    return ExtraTerm(**{**settings, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_prediction_pays_nothing(prediction: PredictionType) -> None:
    """The estimate in closed form is the clean latent where the output is the target; elsewhere it is not."""
    abar = torch.linspace(0.99, 0.01, 10)
    clean, noise = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    steps = torch.tensor([0, 3, 6, 9])
    batch = Batch(add_noise(clean, noise, steps, abar), clean, steps, range(4))
    target = training_target(clean, noise, steps, abar, prediction)
    for shift, zero in ((0.0, True), (0.1, False)):
        output = (target + shift).requires_grad_()
        tally = TermTally([term()], torch.device("cpu"))
        gradient = add_gradients(
            torch.zeros_like(output), output, batch, tally=tally, alphas_cumprod=abar, prediction=prediction,
            global_batch=4,
        )  # fmt: skip
        assert (tally.summary()["extra"] < 1e-10) == zero
        assert (gradient.abs().max().item() < 1e-5) == zero


def test_low_noise_only() -> None:
    """With least_snr 1 the samples whose alpha-bar is below one half get no gradient."""
    abar = torch.tensor([0.9, 0.6, 0.4, 0.1])
    output = torch.ones(4, 1, 2, 2, requires_grad=True)
    batch = Batch(torch.zeros(4, 1, 2, 2), torch.zeros(4, 1, 2, 2), torch.arange(4), range(4))
    tally = TermTally([term(least_snr=1.0)], torch.device("cpu"))
    gradient = add_gradients(
        torch.zeros(4, 1, 2, 2), output, batch, tally=tally, alphas_cumprod=abar, prediction="epsilon", global_batch=4
    )
    assert gradient.flatten(1).any(1).tolist() == [True, True, False, False]


@pytest.mark.parametrize("share", [1 / 32, 0.25, 0.3, 1.0])
def test_a_share_of_the_samples_evenly(share: float) -> None:
    picked = [position for position in range(960) if term(share=share).is_sampled(position)]
    assert len(picked) == pytest.approx(960 * share, abs=1)
    assert max(b - a for a, b in pairwise(picked)) <= -(-1 // share)


def test_the_expectation_is_that_of_the_full_term() -> None:
    """Over 32 steps of 4 alike samples: a quarter, weighted by four, sums up to the whole; so does the slope."""
    abar, steps = torch.linspace(0.99, 0.5, 10), torch.tensor([0, 3, 6, 9])
    clean, noise = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(4))
    noisy = add_noise(clean, noise, steps, abar)
    sums = {}
    for share in (0.25, 1.0):
        tally, total = TermTally([term(share=share)], torch.device("cpu")), torch.zeros_like(clean)
        for step in range(32):
            output = torch.zeros_like(clean).requires_grad_()
            places = range(5 * step, 5 * step + 4)  # of a batch of five, so that every row is picked in its turn
            total += add_gradients(
                torch.zeros_like(clean), output, Batch(noisy, clean, steps, places), tally=tally, alphas_cumprod=abar,
                prediction="epsilon", global_batch=5,
            )  # fmt: skip
        sums[share] = tally.summary()["extra"], total
    assert sums[0.25][0] == pytest.approx(sums[1.0][0], rel=1e-5)
    torch.testing.assert_close(sums[0.25][1], sums[1.0][1], rtol=1e-5, atol=1e-7)


def test_a_term_moves_the_weights_and_is_logged_apart(make_base: MakeBase) -> None:
    plain = Rig.build(make_base(), steps=2).run()
    run = Rig.build(make_base(), steps=2).run(terms=[term(weight=1.0)])
    assert run.losses[0] == plain.losses[0], "the loss logged is the diffusion error's"
    assert not torch.equal(run.values, plain.values)
    told = run.reports[0].terms
    assert told["extra"] > 0
    assert 0 < told["extra_gradient_share"] < 1
    assert plain.reports[0].terms == {}


def test_the_split_of_the_batch_does_not_matter(make_base: MakeBase) -> None:
    """Samples are picked by their place in the run."""
    norms = []
    for micro in (4, 1):
        run = Rig.build(make_base(), steps=1, micro_batch=micro).run(terms=[term(share=0.5)])
        norms.append(run.reports[0].gradient_norm)
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_perceptual_distance_is_lpips_form(make_base: MakeBase) -> None:
    """Against the distance of similarity/perceptual.py on the decoded images, and with a gradient."""
    from woundgen.similarity.perceptual import embed

    base, features = make_base(), load_extractor("embedded")
    left, right = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    left.requires_grad_()
    found = latent_distance(base.vae, features, scale=base.latent_scale)(left, right)
    with torch.no_grad():
        images = [(base.vae.decode(x / base.latent_scale).sample + 1) * 127.5 for x in (left, right)]
        rows = [embed([layer.numpy() for layer in features.run(x).layers]) for x in images]
    expected = torch.from_numpy(((rows[0] - rows[1]) ** 2).sum(1))
    torch.testing.assert_close(found.detach(), expected, rtol=2e-2, atol=1e-3)
    (gradient,) = torch.autograd.grad(found.sum(), left)
    assert gradient.abs().sum() > 0
    assert not any(p.grad is not None for p in base.vae.parameters())


def judge(rate: float = 1e-3) -> Discriminator:
    return Discriminator(4, AdversarialOptions(learning_rate=rate), seed=1, device=torch.device("cpu"))


def test_a_discriminator_learns_to_tell() -> None:
    """Noise of deviation 1 against 3: after 30 updates nearly all are told right, and the term has grown."""
    found, source = judge(rate=2e-3), torch.Generator().manual_seed(2)
    told = {}
    first = last = 0.0
    for step in range(30):
        real, fake = torch.randn(16, 4, 8, 8, generator=source), 3 * torch.randn(16, 4, 8, 8, generator=source)
        last = found.term(fake, real).mean().item()
        first = first or last
        found.learn(fake, real)
        told = found.finish(finite=True, ranks=ALONE)
        assert step or abs(told["discriminator_real"] + told["discriminator_fake"] - 1) < 0.5
    assert min(told.values()) > 0.9
    assert last > 2 * first


def test_r1_is_the_squared_slope_at_real_latents() -> None:
    """The gradient with the penalty less that without is the penalty's own, by finite differences."""
    real, fake = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    gradients = []
    for r1 in (0.0, 2.0):
        found = Discriminator(4, AdversarialOptions(learning_rate=1e-3, r1=r1), seed=1, device=torch.device("cpu"))
        found.learn(fake, real)
        gradients.append(found.flat.gradient.clone())
    direction = torch.nn.functional.normalize(gradients[1] - gradients[0], dim=0)

    def penalty(shift: float) -> float:
        found = judge()
        found.flat.load(found.flat.values.detach() + shift * direction)
        given = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(found.network(given).sum(), given)
        return slope.square().sum().item()

    expected = (penalty(1e-2) - penalty(-1e-2)) / 2e-2
    assert ((gradients[1] - gradients[0]) @ direction).item() == pytest.approx(expected, rel=0.05)


def adversarial(found: Discriminator) -> ExtraTerm:
    return term(name="adversarial", weight=0.5, loss=found.term, discriminator=found)


def test_an_adversarial_run_resumes_exactly(make_base: MakeBase, tmp_path: Path) -> None:
    """The discriminator's values and moments are part of the state; without them the end would differ."""
    whole_judge, first_judge, second_judge = judge(), judge(), judge()
    whole = Rig.build(make_base()).run(terms=[adversarial(whole_judge)])
    assert "discriminator_real" in whole.reports[0].terms
    first = Rig.build(make_base()).run(until=3, terms=[adversarial(first_judge)])
    extra = {f"discriminator.{key}": value for key, value in first_judge.tensors().items()}
    tensors = pack(first.trainable, first.optimizer, first.state) | extra
    write_checkpoint(tmp_path, "half", state=counters(first.state), tensors=tensors)
    saved, fresh = read_checkpoint(tmp_path / "half"), Rig.build(make_base())
    fresh.state = unpack(saved.tensors, saved.state, trainable=fresh.trainable, optimizer=fresh.optimizer)
    second_judge.restore(strip_prefix("discriminator", saved.tensors))
    fresh.run(terms=[adversarial(second_judge)])
    assert torch.equal(fresh.values, whole.values)
    assert torch.equal(second_judge.flat.values, whole_judge.flat.values)
    assert [r.terms for r in fresh.reports] == [r.terms for r in whole.reports[3:]]
    other = Rig.build(make_base()).run()
    assert not torch.equal(other.values, whole.values)
