r"""At which strengths of img2img the photograph that an image began from is recognised, by the screen's search.

    python benchmarks/copy_img2img.py --work OUT --data FOLDER         # photographs: phases I, P, R in turn
    python benchmarks/copy_img2img.py --work OUT                       # phantoms

The shipped base begins each image from one of the references (SDEdit, Meng et al. 2022), as `woundgen generate --from`
does, without guidance: --copies of each draw of copy_attacks.py, at each strength. An image counts as recognised if it
passes a ceiling of the draw, by places that agree with a reference or by its layout. A sheet of the first ones is
written to OUT: its rows are the photographs and what each strength made of them. It shows photographs, so keep it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from copy_attacks import Bench, calibrate, describe_matches, keep, load_pool, make_draws
from harness import make_parser, read_options, share
from PIL import Image

from woundgen.copies.scene import describe_scene
from woundgen.copies.search import match_images
from woundgen.generation.sampler import Beginning, SamplerSettings, draw_block
from woundgen.models.base import EMBEDDED, BaseModel, encode_prompts, load_base
from woundgen.models.images import encode_images

PROMPT = "a photograph of a wound"
SHOWN = 8


def main() -> None:
    parser = make_parser(__doc__, work=Path, data=None, references=100, steps=20)
    parser.add_argument("--copies", type=int, default=14, help="of each draw")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.2, 0.3, 0.4, 0.5, 0.6])
    options = read_options(parser)
    images, phases = load_pool(options)
    bench = Bench(images, options.work, options.copies)
    draws = make_draws(phases, references=options.references, held_out=1)
    calibrated = [calibrate(bench, draw) for draw in draws]
    sheet = [np.concatenate(list(images[draws[0].references[: min(SHOWN, options.copies)]]), axis=1)]
    print("| strength | recognised | by places alone | by layout alone |\n| --- | --- | --- | --- |")
    for strength in options.strengths:
        passed, by_places, by_layout = [], 0, 0
        for draw, (scenes, ceilings) in zip(draws, calibrated, strict=True):
            rows = draw.references[: options.copies]

            def measure(rows=rows, scenes=scenes, strength=strength) -> dict[str, list]:
                drawn = [begin(images[row], strength, options.steps, seed) for seed, row in enumerate(rows)]
                found = match_images([describe_scene(image) for image in drawn], scenes())
                return describe_matches(found) | {"images": np.stack(drawn[:SHOWN]).tolist()}

            part = keep(bench, ["img2img", strength, options.steps, draw.number, rows.tolist()], measure)
            passed += ceilings.are_passed(part).tolist()
            by_places += int((np.array(part["places"]) > ceilings.places).sum())
            by_layout += int((np.array(part["layout"]) > ceilings.layout).sum())
            if draw.number == 0:
                sheet.append(np.concatenate(list(np.array(part["images"], np.uint8)), axis=1))
        rates = " | ".join(share(hits, len(passed)) for hits in (sum(passed), by_places, by_layout))
        print(f"| {strength:g} | {rates} |", flush=True)
        Image.fromarray(np.concatenate(sheet)).save(options.work / "img2img.png")


@cache
def base() -> BaseModel:
    return load_base(EMBEDDED)


def begin(image: np.ndarray, strength: float, steps: int, seed: int) -> np.ndarray:
    model = base()
    latents = encode_images(model.vae, image[None])[0] * model.latent_scale
    settings = SamplerSettings(
        sampler="dpmsolver++", steps=steps, guidance_scale=1.0, seed=seed, block=1,
        height=image.shape[0], width=image.shape[1],
    )  # fmt: skip
    return draw_block(
        model, settings, [0], prompt_states=encode_prompts(model, [PROMPT]), negative_states=None,
        beginning=Beginning(latents, strength),
    )[0]  # fmt: skip


if __name__ == "__main__":
    main()
