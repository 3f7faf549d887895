"""Measure a generated set: the consultation's name (Decision 8) for `woundgen evaluate`, with the same options.

    python scripts/evaluate_quality.py --help
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["evaluate"]  # as if `woundgen evaluate ...` had been typed, so that run.json records what can be repeated
    main()
