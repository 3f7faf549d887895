"""Model card of the shipped networks, measured on phantoms never trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from woundgen.config.prompts import SHORT_PROMPT
from woundgen.data.phantom_frames import FramedPhantoms, frame_phantoms
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.features.embedded import LEARNED, FeatureNetwork, load_feature_network
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.intervals import binomial_bounds, mean_interval
from woundgen.metrics.measure import pooled_features
from woundgen.models.base import load_base
from woundgen.models.images import encode_images, round_trip
from woundgen.phantoms import PHASES, RENDERER_VERSION, View, captions
from woundgen.shipped.denoising_error import measure_spectrum
from woundgen.shipped.graded_faults import GRADED_FAULTS, apply_fault
from woundgen.similarity.colour import srgb_to_lab
from woundgen.similarity.sharpness import laplacian_variance
from woundgen.storage.files import write_json
from woundgen.workflows.rebuild.denoiser_card import measure_denoiser
from woundgen.workflows.rebuild.export_base import BASE_FOLDER
from woundgen.workflows.rebuild.stages import FEATURES_FILE

Images = NDArray[np.uint8]
CARD_SEED = 800_001
CARD_MARGIN = 0.25
STEPS = 15
DENOISED = 200  # held-out latents that the UNet denoises
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def autoencoder_card(vae: AutoencoderKL, images: Images) -> dict[str, Any]:
    """PSNR, latent conditioning, colour and sharpness of the round trip."""
    through = round_trip(vae, images)
    mse = ((through.astype(np.float64) - images) ** 2).mean(axis=(1, 2, 3)) / 255**2
    psnr = mean_interval(-10 * np.log10(mse))
    latents = encode_images(vae, images)[0].permute(1, 0, 2, 3).flatten(1)
    smallest = torch.linalg.eigvalsh(torch.corrcoef(latents))[0].item()
    lab = np.abs(_pooled_lab(through) - _pooled_lab(images)).mean(axis=(0, 1, 2))
    sharp = np.median(laplacian_variance(through / 255.0)) / np.median(laplacian_variance(images / 255.0))
    return {
        "n": len(images),
        "psnr_db": psnr.value,
        "psnr_db_95": [psnr.low, psnr.high],
        "smallest_latent_eigenvalue": smallest,
        "pooled_error_L_a_b": lab.tolist(),
        "laplacian_variance_ratio": float(sharp),
    }


def _pooled_lab(images: Images, size: int = 16) -> NDArray[np.float64]:
    """CIELAB averaged over size x size cells."""
    lab = srgb_to_lab(images / 255.0)
    n, height, width, _ = lab.shape
    return lab.reshape(n, height // size, size, width // size, size, 3).mean(axis=(2, 4))


def draw_card_phantoms(indices: range, *, seed: int) -> FramedPhantoms:
    """Held-out phantoms framed as the training pool is: every other one whole, the rest cropped with CARD_MARGIN."""
    return frame_phantoms(indices, seed=seed, margins=[None if index % 2 else CARD_MARGIN for index in indices])


def write_prompts(drawn: FramedPhantoms, *, count: int, seed: int) -> list[str]:
    """Write captions of the first `count` phantoms, with their framing, as those of the training pool are written."""
    views = [View(bool(drawn.close_up[row]), tuple(drawn.centres[row])) for row in range(count)]
    parameters = {key: values[:count] for key, values in drawn.parameters.items()}
    return captions(parameters, np.random.default_rng(seed), views)


def feature_card(network: FeatureNetwork) -> dict[str, Any]:
    """Phase accuracy, and whether graded faults move a set away in order; FD at n = 400 against 750, no interval."""
    drawn = draw_card_phantoms(range(1500), seed=CARD_SEED)
    features = pooled_features(network, drawn.images)
    with torch.no_grad():
        scores = network.heads(torch.from_numpy(features[:, :LEARNED]).float())[:, : len(PHASES)]
    hits = int((scores.argmax(1).numpy() == np.array([PHASES.index(p) for p in drawn.phases])).sum())
    phases = [np.flatnonzero(np.array(drawn.phases) == phase) for phase in ("I", "R")]
    reference, own, other = features[phases[0][:250]], features[phases[0][250:450]], features[phases[1][:200]]
    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    mixed = [
        frechet_distance(np.concatenate([other[: int(200 * share)], own[int(200 * share) :]]), reference)
        for share in shares
    ]
    return {
        "phase_accuracy": hits / len(features),
        "phase_accuracy_95": list(binomial_bounds(hits, len(features))),
        "n": len(features),
        "fd_floor": frechet_distance(features[750:1150], features[:750]),
        "strengths": list(STRENGTHS),
        "faults": grade_faults(network, drawn.images[750:1150], features[:750])
        | {"wrong phase": {"spearman": float(spearmanr(shares, mixed).statistic), "fd": mixed}},
    }


def grade_faults(
    network: FeatureNetwork, probes: Images, clean: NDArray[np.floating], strengths: Sequence[float] = STRENGTHS
) -> dict[str, dict[str, Any]]:
    """FD of `probes` [N, S, S, 3] to `clean` features at each strength of each fault, and their rank correlation."""
    faults: dict[str, Callable[[Images, float], Images]] = {name: partial(_apply, name) for name in GRADED_FAULTS} | {
        "hue shift": _turn_hue
    }
    graded = {}
    for name, spoil in faults.items():
        distances = [frechet_distance(pooled_features(network, spoil(probes, value)), clean) for value in strengths]
        graded[name] = {"spearman": float(spearmanr(strengths, distances).statistic), "fd": distances}
    return graded


def _apply(name: str, images: Images, strength: float) -> Images:
    return apply_fault(images, name, strength)


def _turn_hue(images: Images, strength: float) -> Images:
    """Turn hues by up to 35 degrees."""
    turned = []
    for image in images:
        hsv = np.asarray(Image.fromarray(image).convert("HSV")).copy()
        hsv[..., 0] += np.uint8(25 * strength)
        turned.append(np.asarray(Image.fromarray(hsv, "HSV").convert("RGB")))
    return np.stack(turned) if strength else images


def base_card(folder: str, network: FeatureNetwork, *, n: int) -> Work[dict[str, Any]]:
    """FD of the base to mixed phantoms at n, with the floor and the autoencoder's ceiling at the same n."""
    base = load_base(folder)
    if base.note:
        yield Info(base.note)
    drawn = draw_card_phantoms(range(3 * n), seed=CARD_SEED + 1)
    prompts = write_prompts(drawn, count=n, seed=CARD_SEED)
    real = pooled_features(network, drawn.images)
    halves = real[n : 2 * n], real[2 * n :]
    against = lambda features: float(np.mean([frechet_distance(features, half) for half in halves]))  # noqa: E731
    result: dict[str, Any] = {
        "n": n,
        "steps": STEPS,
        "fd_floor": frechet_distance(*halves),
        "fd_ceiling": against(pooled_features(network, round_trip(base.vae, drawn.images[:n]))),
    }
    for name, prompt in (("captions", prompts), ("neutral prompt", SHORT_PROMPT), ("no prompt", "")):
        yield Info(f"drawing {n} with {name}")
        images = draw_images(
            base, count=n, prompt=prompt, negative_prompt="", guidance_scale=1.0, steps=STEPS, seed=1, size=128
        )
        result[f"fd_{name.replace(' ', '_')}"] = against(pooled_features(network, images))
    yield Info("denoising held-out latents")
    latents = encode_images(base.vae, drawn.images)[0]
    result["denoiser"] = measure_denoiser(
        base, latents[: min(n, DENOISED)], prompts[:DENOISED], measure_spectrum(latents[n:]), seed=CARD_SEED
    )
    return result


def write_card(work: Path, *, n: int = 500) -> Work[Path]:
    """Measure what `woundgen rebuild` left in `work` and write base/card.json next to the weights."""
    folder, features = work / BASE_FOLDER, work / FEATURES_FILE
    for path in (folder, features):
        if not path.exists():
            raise UserError(f"{path} does not exist.", "Run the other stages of `woundgen rebuild` first.")
    network, digest = load_feature_network(features)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    held_out = draw_card_phantoms(range(256), seed=CARD_SEED + 2).images
    card = {
        "renderer_version": RENDERER_VERSION,
        "feature_network": digest,
        "autoencoder": autoencoder_card(vae, held_out),
        "features": feature_card(network),
        "base": (yield from base_card(str(folder), network, n=n)),
    }
    write_json(folder / "card.json", card)
    return folder / "card.json"
