"""`python -m woundgen` is the command `woundgen`."""

from woundgen.cli import main

if __name__ == "__main__":
    main()
