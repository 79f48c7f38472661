"""Take the tables and pictures of a report on mini into the docs and the README.

`make table` calls it: python docs/take_results.py report/table
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLES = {"table.md": "mini-results.md", "differences.md": "mini-differences.md"}
PICTURES = ("dots", "sequence", "forgetting")
# In the README: a method of each family and the bounds, without the last columns.
ROWS = (
    "zero-shot", "keeplora+", "inflora", "keeplora (variant=released)", "moe-adapters", "o-lora", "lora",
    "zscl", "finetune", "joint (bound)",
)  # fmt: skip
COLUMNS = 9
BEGIN, END = "<!-- results of make table -->", "<!-- end of results -->"


def main(report: Path) -> None:
    for table, document in TABLES.items():
        shutil.copy(report / table, ROOT / "docs" / document)
    for picture in PICTURES:
        for file in (report / "plots").glob(f"mini-*-fair-{picture}.png"):
            shutil.copy(file, ROOT / "docs" / "results" / file.name)
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    table = (report / "table.md").read_text()
    readme.write_text(f"{before}{BEGIN}\n\n{in_readme(order_two(table))}\n{END}{after}")


def order_two(table: str) -> list[list[str]]:
    """The cells of the table of order II, header first."""
    (section,) = [part for part in table.split("\n## ") if re.search(r"order II\b", part[:400])]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def in_readme(rows: list[list[str]]) -> str:
    """Some of them, as a Markdown table.

    Raises:
        SystemExit: the highest Average is in none of them, so that the table would show another best.
    """
    header, line, *results = rows
    shown = [row for row in results if row[0] in ROWS]
    average = header.index("Average")
    if len(shown) < len(ROWS) or not any("**" in row[average] for row in shown):
        raise SystemExit(f"the README's rows ({', '.join(ROWS)}) lack one, or the highest Average")
    return "".join(f"| {' | '.join(row[:COLUMNS])} |\n" for row in (header, line, *shown))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
