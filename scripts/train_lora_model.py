"""Train an adapter: the consultation's name (Decision 8) for `woundgen train`, with the same options.

    python scripts/train_lora_model.py --help
    python scripts/train_lora_model.py --resume latest
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]  # as if `woundgen train ...` had been typed, so that run.json records what can be repeated
    main()
