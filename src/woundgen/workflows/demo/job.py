"""The job of `woundgen demo`: everything once, on phantoms, for phases I and R."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.adapters.lora import fuse_lora
from woundgen.adapters.saved import find_adapter, saved_preparation
from woundgen.config.load import load_train_config
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.features.embedded import feature_network
from woundgen.generation.in_memory import draw_images
from woundgen.metrics.gap import GapClosed, gap_row
from woundgen.metrics.measure import RealSets, load_extractors, make_metrics_record, measure_images
from woundgen.metrics.prepared import PreparedImages, gap_closed_of_images
from woundgen.metrics.rows import Network
from woundgen.models.base import EMBEDDED, BaseModel, load_base
from woundgen.models.images import round_trip
from woundgen.runtime.console import Console
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import sha256_json, write_json
from woundgen.storage.names import METRICS_JSON, SUMMARY_JSON
from woundgen.storage.ownership import claim_output
from woundgen.workflows.dataset.phantoms import draw_held_out, write_phantoms
from woundgen.workflows.demo.colour_reader import ColourReader, fit_colour_reader, recall_of
from woundgen.workflows.generate.job import generate_set
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest
from woundgen.workflows.report import write_report
from woundgen.workflows.train.job import train_adapter
from woundgen.workflows.train.request import TrainOptions, TrainRequest
from woundgen.workflows.train.session import TrainingJob

Images = NDArray[np.uint8]

PRESET = Path(__file__).parents[2] / "presets" / "demo.yaml"
PHASES = ("I", "R")
PHOTOGRAPHS = 118  # a phase: 100 to train, 18 held out by the split
HELD_OUT = 160  # phantoms a phase that nothing trained on; halves of them give the floor
DRAWN = 80  # images a phase that are measured
KEPT = 24  # screened images a phase in the report
READER_PHANTOMS = 120  # a phase, for the colour reader: 250 read no better
STEPS = 15
HELD_OUT_SEED, PHOTOGRAPH_SEED, DRAW_SEED = 700_001, 3, 11


@dataclass(slots=True)
class Clock:
    """Seconds by part of the demo."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Any:
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 1)


@dataclass(frozen=True, slots=True)
class Demo:
    """The job and its parts, in the order of their numbers."""

    out: Path
    console: Console
    config: TrainConfig = field(default_factory=lambda: load_train_config(PRESET))
    clock: Clock = field(default_factory=Clock)

    def run(self) -> dict[str, Any]:
        """Phantoms, an adapter a phase, pictures, screening, measures, report. Returns what summary.json holds."""
        identity = sha256_json(self.config.flat() | {"drawn": DRAWN, "held_out": HELD_OUT})
        claim_output(self.out, identity=identity, what="demo")
        started = time.monotonic()
        self.render_photographs()
        summary = {"phases": self.run_phases(), "seconds": self.clock.seconds}
        self.write_pages()
        self.clock.seconds["all"] = round(time.monotonic() - started, 1)
        write_json(self.out / SUMMARY_JSON, summary)
        self.console.info(f"done in {self.clock.seconds['all']:.0f} s; open {self.out / 'report.html'}")
        return summary

    def render_photographs(self) -> None:
        self.console.info(f"1. {PHOTOGRAPHS} phantoms of each phase stand for a clinic's photographs")
        with self.clock.part("phantoms"):
            for phase in PHASES:
                rendering = write_phantoms(
                    self.out / "photographs" / phase,
                    count=PHOTOGRAPHS,
                    phases=phase,
                    seed=PHOTOGRAPH_SEED,
                    size=128,
                    views=1,
                )
                self.console.follow(rendering)

    def run_phases(self) -> dict[str, Any]:
        """Train, draw and measure each phase; return its rows of summary.json."""
        with self.clock.part("phantoms"):
            held_out = {phase: _held_out(phase, self.config) for phase in PHASES}
            reader = fit_colour_reader(per_phase=READER_PHANTOMS, margin=self.config.photographs.box_margin)
        self.console.info("2. what the base model draws, untuned")
        with self.clock.part("drawing"):
            untuned = self._draw(load_base(EMBEDDED))
        return {phase: self._run_phase(phase, untuned, held_out[phase], reader) for phase in PHASES}

    def _run_phase(self, phase: str, untuned: Images, held_out: PreparedImages, reader: ColourReader) -> dict[str, Any]:
        out, clock, console = self.out, self.clock, self.console
        console.info(f"3. an adapter for phase {phase}")
        with clock.part("training"):
            self._train(phase)
        console.info(f"4. pictures of phase {phase}, measured against phantoms that no model has seen")
        with clock.part("drawing"):
            tuned_base = load_base(EMBEDDED)
            adapter = find_adapter(out / "runs" / f"phase_{phase}", weights="auto").file
            fuse_lora(tuned_base.unet, [(adapter, 1.0)])
            tuned = PreparedImages(self._draw(tuned_base), saved_preparation(adapter))
        with clock.part("measuring"):
            network, _ = feature_network()
            gap = gap_closed_of_images(network, base=untuned, tuned=tuned, real=held_out)
            row = _measure(phase, gap, tuned, held_out, reader)
        console.info(_sentence(phase, row))
        console.info(f"5. a screened set of phase {phase}")
        with clock.part("screened set"):
            set_dir = out / "generated" / f"phase_{phase}"
            console.follow(generate_set(_request(out, phase, self.config), out=set_dir))
        with clock.part("measuring"):
            _write_metrics(set_dir, tuned, held_out, load_base(EMBEDDED).vae, gap)
        return row

    def write_pages(self) -> None:
        self.console.info("6. the report")
        with self.clock.part("report"):
            writing = write_report(
                [self.out / "runs" / f"phase_{phase}" for phase in PHASES],
                [self.out / "generated" / f"phase_{phase}" for phase in PHASES],
                out=self.out,
                private=True,
                title="woundgen demo",
                quality=QualityConfig(),
            )
            self.console.follow(writing)

    def _draw(self, base: BaseModel) -> Images:
        """The same seeds for base and tuned, at the neutral prompt."""
        images = draw_images(
            base,
            count=DRAWN,
            prompt=SHORT_PROMPT,
            negative_prompt="",
            guidance_scale=self.config.sampling.guidance_scale,
            steps=STEPS,
            seed=DRAW_SEED,
            size=self.config.model.resolution,
        )
        self.console.progress(DRAWN, DRAWN, "drawing")
        return images

    def _train(self, phase: str) -> None:
        request = TrainRequest(
            config=self.config.with_values(phases=(phase,)),
            data=self.out / "photographs" / phase,
            out=self.out / "runs" / f"phase_{phase}",
            options=TrainOptions(command=("woundgen", "demo")),
        )
        result = train_adapter(TrainingJob(request, self.console))
        if result.exit_code:
            raise SystemExit(result.exit_code)


def _held_out(phase: str, config: TrainConfig) -> PreparedImages:
    """Framed as the adapter's photographs are: against whole pictures, the framing would be measured."""
    return draw_held_out(
        range(HELD_OUT),
        seed=HELD_OUT_SEED,
        phases=(phase,),
        resolution=config.model.resolution,
        margin=config.photographs.box_margin,
    )


def _measure(
    phase: str, found: GapClosed, tuned: PreparedImages, real: PreparedImages, reader: ColourReader
) -> dict[str, Any]:
    recall_real = recall_of(reader, real, phase, label="held-out phantoms")
    recall_generated = recall_of(reader, tuned, phase, label="generated")
    return {
        "fd_base": found.base,
        "fd_tuned": found.tuned,
        "fd_floor": found.floor,
        "gap_closed": found.share.value,
        "gap_closed_95": [found.share.low, found.share.high],
        "n": found.n,
        "recall_real": recall_real.value,
        "recall_real_95": [recall_real.low, recall_real.high],
        "recall_generated": recall_generated.value,
        "recall_generated_95": [recall_generated.low, recall_generated.high],
        "recall_n": {"real": len(real.images), "generated": len(tuned.images)},
    }


def _sentence(phase: str, row: dict[str, Any]) -> str:
    low, high = row["gap_closed_95"]
    return (
        f"phase {phase}: FD base {row['fd_base']:.2f}, tuned {row['fd_tuned']:.2f}, floor {row['fd_floor']:.2f}; "
        f"gap closed {row['gap_closed']:.2f} (95 % {low:.2f} to {high:.2f}, n = {row['n']}); "
        f"read as {phase} by colour: {row['recall_generated']:.0%} of generated, {row['recall_real']:.0%} of real"
    )


def _request(out: Path, phase: str, config: TrainConfig) -> GenerateRequest:
    return GenerateRequest(
        adapters=((out / "runs" / f"phase_{phase}", 1.0),),
        count=KEPT,
        real=out / "photographs" / phase,
        options=GenerateOptions(
            label=phase,
            seed=DRAW_SEED + 1,
            steps=STEPS,
            guidance_scale=config.sampling.guidance_scale,
            size=config.model.resolution,
        ),
    )


def _write_metrics(
    one: Path, tuned: PreparedImages, real: PreparedImages, vae: torch.nn.Module, gap: GapClosed
) -> None:
    """Of all that was drawn, before screening: numbers of a filtered set alone would flatter."""
    networks = load_extractors(["embedded"])
    assert real.preparation is not None, "of phantoms it is always known"
    sets = RealSets(images=real.images, preparation=real.preparation, through=round_trip(vae, real.images))
    rows = measure_images(networks, generated=tuned, real=sets)
    rows.append(gap_row(gap, Network(networks[0].name, networks[0].digest)))
    record = make_metrics_record(
        rows,
        generated="drawn, not screened",
        real=f"held-out phantoms of {one.name}",
        label=one.name,
        networks=networks,
    )
    write_json(one / METRICS_JSON, add_digest(record))
