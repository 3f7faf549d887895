"""Numbers that the command line refuses, Python refuses too: each bound is tried through `import woundgen`."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

import woundgen
from woundgen.cli import app
from woundgen.config.ranges import LARGEST_SEED
from woundgen.errors import UserError

Call = Callable[[Path, Any], object]

WITHOUT_FUNCTION = ("demo", "doctor", "fetch", "rebuild", "review", "study", "train")
"""Verbs whose bounded options no function of the package has (`train`: a setting, which the config checks)."""
ONLY_WORDS = {
    ("generate", "--devices"), ("generate", "--threads"),  # processes of the command
    ("audit", "--strength"),  # checked with the set's sampler: tests/unit/generation
}  # fmt: skip


def options_of(kind: str, key: str, value: Any) -> Any:
    return dataclasses.replace(getattr(woundgen, kind)(), **{key: value})


def generate(key: str) -> Call:
    return lambda place, value: woundgen.generate(
        place / "run", out=place / "out", options=options_of("GenerateOptions", key, value)
    )


def sweep(key: str, *, several: bool = False) -> Call:
    return lambda place, value: woundgen.sweep(
        place / "run", phase="I", real=place, out=place / "out",
        options=options_of("SweepOptions", key, (value,) if several else value),
    )  # fmt: skip


def evaluate(key: str) -> Call:
    return lambda place, value: woundgen.evaluate(
        place / "set", phase="I", real=place, options=options_of("EvaluateOptions", key, value)
    )


def tune(key: str) -> Call:
    return lambda place, value: woundgen.tune(
        None, data=place, out=place / "out", options=options_of("TuneOptions", key, value)
    )


def utility(key: str) -> Call:
    return lambda place, value: woundgen.utility(
        place, place / "set", out=place / "out", options=options_of("UtilityOptions", key, value)
    )


def split(key: str) -> Call:
    return lambda place, value: woundgen.split_photographs(
        place, out=place / "out", options=options_of("SplitOptions", key, value)
    )


def phantoms(key: str) -> Call:
    return lambda place, value: woundgen.render_phantoms(place / "out", **({"count": 3} | {key: value}))


def check(key: str) -> Call:
    return lambda place, value: woundgen.check_photographs(place, out=place / "out", **{key: value})


def run(key: str) -> Call:
    return lambda place, value: woundgen.run(
        place / "photographs", out=place / "out", options=options_of("RunOptions", key, value)
    )


CALLS: dict[tuple[str, str], Call] = {
    ("generate", "--count"): lambda place, value: woundgen.generate(place / "run", out=place / "out", count=value),
    ("generate", "--budget"): generate("budget"),
    ("generate", "--seed"): generate("seed"),
    ("generate", "--steps"): generate("steps"),
    ("generate", "--guidance"): generate("guidance_scale"),
    ("generate", "--guidance-low"): lambda place, value: generate("guidance_interval")(place, (value, 1.0)),
    ("generate", "--guidance-high"): lambda place, value: generate("guidance_interval")(place, (0.0, value)),
    ("generate", "--strength"): lambda place, value: generate("source")(place, (place / "photograph.jpg", value)),
    ("generate", "--size"): generate("size"),
    ("generate", "--block"): generate("block"),
    ("compare", "--guidance"): sweep("guidance", several=True),
    ("compare", "--steps"): sweep("steps", several=True),
    ("compare", "--count"): sweep("count"),
    ("compare", "--seed"): sweep("seed"),
    ("compare", "--size"): sweep("size"),
    ("compare", "--margin"): sweep("margin"),
    ("evaluate", "--k"): evaluate("k"),
    ("evaluate", "--margin"): evaluate("margin"),
    ("evaluate", "--permutations"): evaluate("two_sample"),
    ("tune", "--images"): tune("images"),
    ("tune", "--min-recall"): tune("least_recall"),
    ("tune", "--generation"): tune("generation"),
    ("tune", "--seed"): tune("seed"),
    ("utility", "--folds"): utility("folds"),
    ("utility", "--seeds"): utility("seeds"),
    ("utility", "--seed"): utility("seed"),
    ("utility", "--size"): utility("size"),
    ("utility", "--margin"): utility("margin"),
    ("data split", "--folds"): split("folds"),
    ("data split", "--seed"): split("seed"),
    ("data check", "--resolution"): check("resolution"),
    ("data check", "--margin"): check("margin"),
    ("phantoms", "--count"): phantoms("count"),
    ("phantoms", "--seed"): phantoms("seed"),
    ("phantoms", "--size"): phantoms("size"),
    ("phantoms", "--views"): phantoms("views"),
    ("run", "--count"): run("count"),
    ("run", "--seed"): run("seed"),
    ("calibrate", "--size"): lambda place, value: woundgen.calibrate(place, phase="I", out=place / "out", size=value),
}


@dataclasses.dataclass(frozen=True)
class Bound:
    """whole: whether the option takes whole numbers. low, high: its ends, None where there is none."""

    whole: bool
    low: float | None
    high: float | None


def bounded() -> dict[tuple[str, str], Bound]:
    """Return the bound of each option of the command line that has one, by verb and option."""
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    actions = {f"{verb} {name}": one for verb, group in verbs.items() for name, one in _actions(group).items()}
    return {
        (name, option): bound
        for name, command in (verbs | actions).items()
        if not _actions(command)
        for option, bound in _bounds(command).items()
    }


def _bounds(command: Any) -> dict[str, Bound]:
    names = {parameter.name: parameter.opts[0] for parameter in command.params}
    bounds = {}
    for name, hint in get_type_hints(inspect.unwrap(command.callback), include_extras=True).items():
        facts = [one for one in getattr(hint, "__metadata__", ()) if getattr(one, "min", None) is not None]
        if facts:
            bounds[names[name]] = Bound("int" in str(get_args(hint)[0]), facts[0].min, facts[0].max)
    return bounds


def _actions(command: Any) -> dict[str, Any]:
    return dict(getattr(command, "commands", {}))


def outside(bound: Bound, option: str) -> list[Any]:
    """Return values beyond the ends of a range, and what is no number of its kind."""
    step = 1 if bound.whole else 0.001
    values = [end + sign * step for end, sign in ((bound.low, -1), (bound.high, 1)) if end is not None]
    values += [LARGEST_SEED + 1] if option == "--seed" else []
    values += [50.5] if bound.whole else []
    return [*values, math.nan, math.inf, "7", True]


def test_every_bound_has_a_call() -> None:
    missing = [
        key for key in bounded()
        if key not in CALLS and key not in ONLY_WORDS and key[0].split()[0] not in WITHOUT_FUNCTION
    ]  # fmt: skip
    assert not missing, "the bound is tried through the command line alone"


@pytest.mark.parametrize("key", list(CALLS), ids=[" ".join(key) for key in CALLS])
def test_python_refuses_what_the_command_refuses(key: tuple[str, str], tmp_path: Path) -> None:
    bounds = bounded()
    assert key in bounds, "no such bound"
    for name in ("run", "set", "photographs"):
        (tmp_path / name).mkdir()
    before = sorted(tmp_path.rglob("*"))
    for value in outside(bounds[key], key[1]):
        with pytest.raises(UserError, match=f"{key[1]} .*(out of range|no such number)"):
            CALLS[key](tmp_path, value)
    assert sorted(tmp_path.rglob("*")) == before, "something was written"
