"""Pre-commit hook: exit 1 where a file named on the command line is above 500 kB (a photograph, a checkpoint)."""

import sys
from pathlib import Path

LIMIT = 500_000  # bytes


def main(names: list[str]) -> int:
    large = [name for name in names if Path(name).is_file() and Path(name).stat().st_size > LIMIT]
    for name in large:
        print(f"{name}: {Path(name).stat().st_size / 1e6:.1f} MB; the limit is {LIMIT / 1e6:.1f} MB")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
