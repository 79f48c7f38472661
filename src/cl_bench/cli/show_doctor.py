"""What ``cl-bench doctor`` prints: a line per check as it goes, or JSON."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from cl_bench.cli.as_json import print_json
from cl_bench.cli.console import console
from cl_bench.cli.doctor import Finding, findings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def show_doctor() -> bool:
    """Print a line per check; returns whether none failed."""
    well = True
    with console.status("checking ...") as status:  # on a terminal, until the next line is there
        for _, found in findings(lambda name: status.update(f"checking {name} ...")):
            well = well and found.state != "fail"
            console.print(_line(found))
    return well


def print_doctor_json() -> bool:
    """Print all checks as one object; returns whether none failed."""
    found = list(findings(lambda name: None))
    well = all(finding.state != "fail" for _, finding in found)
    checks = [
        {"check": name, "state": f.state, "words": f.words, "facts": f.facts} for name, f in found
    ]
    print_json({"well": well, "checks": checks})
    return well


def _line(found: Finding) -> Table:
    """State and words; what does not fit goes on below the words."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=4)
    table.add_column(overflow="fold")
    table.add_row(f"[{COLOURS[found.state]}]{found.state}", escape(found.words))
    return table
