"""Compare sets or runs: the approved plan's name for `woundgen compare`, which takes the same options.

    python scripts/compare_models.py generated/guidance_1 generated/guidance_2 --out reports

The verb is put before what was typed, so that run.json records a command that can be repeated.
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["compare"]
    main()
