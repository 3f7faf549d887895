"""Put checkpoints or sets side by side: the consultation's name (Decision 8) for `woundgen compare`, with the same options.

    python scripts/compare_models.py --help
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["compare"]  # as if `woundgen compare ...` had been typed, so that run.json records what can be repeated
    main()
