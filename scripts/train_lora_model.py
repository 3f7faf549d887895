"""Train an adapter: the approved plan's name for `woundgen train`, which takes the same options.

    python scripts/train_lora_model.py --resume latest

The verb is put before what was typed, so that run.json records a command that can be repeated.
"""

import sys

from woundgen.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
