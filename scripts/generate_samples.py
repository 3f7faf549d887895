"""Draw images: the consultation's name (Decision 8) for `woundgen generate`, with the same options.

    python scripts/generate_samples.py --help
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["generate"]  # as if `woundgen generate ...` had been typed, so that run.json records what can be repeated
    main()
