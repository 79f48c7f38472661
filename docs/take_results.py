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
    readme.write_text(f"{before}{BEGIN}\n\n{order_two(table)}\n{END}{after}")


def order_two(table: str) -> str:
    """The rows of the table of order II."""
    (section,) = [part for part in table.split("\n## ") if re.search(r"order II\b", part[:400])]
    return "".join(line + "\n" for line in section.splitlines() if line.startswith("|"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
