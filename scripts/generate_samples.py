"""Draw images: the approved plan's name for `woundgen generate`, which takes the same options.

    python scripts/generate_samples.py --adapter runs/phase_I --count 64 --out generated/phase_I

The verb is put before what was typed, so that run.json records a command that can be repeated.
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["generate"]
    main()
