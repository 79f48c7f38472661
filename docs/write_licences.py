"""Write the table of docs/licences.md from what was read. `python docs/write_licences.py`."""

from __future__ import annotations

from pathlib import Path

from cl_bench.cli.inspect import known_licences

PAGE = Path(__file__).parent / "licences.md"
BEGIN = "<!-- written by docs/write_licences.py -->"


def table() -> str:
    """Every data set and every method's code, one line each."""
    lines = ["| name | kind | of | licence | read where |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {x.name} | {x.kind} | {x.of} | {x.licence} | {x.read} |" for x in known_licences()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, _ = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}", encoding="utf-8")
