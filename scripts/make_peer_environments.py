"""Makes the environments in which slow tests open what woundgen wrote: python scripts/make_peer_environments.py FOLDER

Asks a package registry. Then: WOUNDGEN_PEERS=FOLDER pytest -m slow tests/chain/test_sets_elsewhere.py
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

TORCH = ["torch==2.13.0", "numpy", "pillow", "safetensors"]
ENVIRONMENTS = {
    "data": ["datasets>=5", "mlcroissant>=1", "pandas>=2.2", "webdataset>=1", "pillow", "torchvision"],
    "dicom": ["pydicom>=3.0.2,<4", "python-gdcm", "numpy", "pillow"],
    "trackers": ["wandb", "mlflow-skinny", "sqlalchemy", "alembic", "trackio", "numpy"],
    "d033": [*TORCH, "diffusers==0.33.1", "peft==0.15.2", "transformers==4.57.1", "accelerate"],
    "d036": [*TORCH, "diffusers==0.36.0", "peft==0.18.1", "transformers==4.57.1", "accelerate"],
    "d042": [*TORCH, "diffusers==0.42.1", "peft==0.20.0", "transformers>=5.23,<6", "accelerate"],
}


def main(words: list[str]) -> int:
    if len(words) != 1:
        print(__doc__)
        return 2
    for name, packages in ENVIRONMENTS.items():
        folder = Path(words[0]) / name
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *packages], check=True)
        print(f"{name}: {', '.join(packages)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
