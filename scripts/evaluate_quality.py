"""Measure a generated set: the approved plan's name for `woundgen evaluate`, which takes the same options.

    python scripts/evaluate_quality.py --generated generated/phase_I --run runs/phase_I --phase I

The verb is put before what was typed, so that run.json records a command that can be repeated.
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["evaluate"]
    main()
