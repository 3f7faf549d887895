"""Write the table of verbs and faults into docs/reliability.md, from what the slow tests of faults recorded.

    WOUNDGEN_FAULTS_TABLE=faults.jsonl pytest -m slow tests/chain/test_faults.py
    python scripts/make_faults_table.py faults.jsonl

A cell says how often the verb met the fault and then held: one line and exit code 2 (nothing for a kill), and the same
command completed it with the same bytes. What was not run is a dash.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
COLUMNS = ("kill", "small disk", "full", "read-only", "failing", "moved", "two at once")


def make_table(lines: list[str]) -> str:
    """Markdown of rows {verb, fault, trials}; trials of a verb and fault add up."""
    trials: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        row = json.loads(line)
        trials[row["verb"]][row["fault"]] += row["trials"]
    head = ["verb", *COLUMNS]
    body = [[verb, *(str(counts.get(name, "–")) for name in COLUMNS)] for verb, counts in sorted(trials.items())]
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    lines = [line for path in sys.argv[1:] for line in Path(path).read_text().splitlines() if line.strip()]
    page = PAGE.read_text()
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(f"{page[:start]}\n\n{make_table(lines)}\n\n{page[end:]}")


if __name__ == "__main__":
    main()
