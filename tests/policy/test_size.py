"""What lies in the package: small files of known kinds, and weights of at most 40 MB."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "woundgen"
FILES = [path for path in sorted(PACKAGE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
KINDS = {".py", ".pyi", ".typed", ".safetensors", ".json", ".yaml", ".txt", ".j2", ".css", ".html", ".js"}
MOST_BYTES = 40_000_000
MOST_LINES = 400
WEIGHTS = (
    "features/embedded.safetensors",
    "models/embedded/text_encoder/model.safetensors",
    "models/embedded/unet/diffusion_pytorch_model.safetensors",
    "models/embedded/vae/diffusion_pytorch_model.safetensors",
)


def test_kinds_of_files() -> None:
    assert not [str(path.relative_to(PACKAGE)) for path in FILES if path.suffix not in KINDS]


def test_weights() -> None:
    weights = {
        path.relative_to(PACKAGE).as_posix(): path.stat().st_size for path in FILES if path.suffix == ".safetensors"
    }
    assert set(weights) == set(WEIGHTS)
    assert sum(weights.values()) <= MOST_BYTES


def test_weights_are_half_precision() -> None:
    from safetensors import safe_open

    for name in WEIGHTS:
        with safe_open(PACKAGE / name, "np") as file:
            kinds = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
        assert kinds <= {"F16", "I64"}, f"{name}: {kinds}"


def test_lines_of_a_file() -> None:
    long = {p.name: n for p in FILES if p.suffix == ".py" and (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long
