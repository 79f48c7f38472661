"""Names from configurations made safe for the format that they are written into."""

from __future__ import annotations

import re

from cl_bench.reports.runs.names import one_line

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "≈": r"$\approx$", "↓": r"$\downarrow$", "−": "$-$", "Δ": r"$\Delta$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip

FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")

MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")  # of a number: behind no letter, digit or hyphen


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table or a line of a list: nothing in it is markup."""
    return "".join(f"\\{c}" if c in "\\|*_`<>[]$~&#" else c for c in one_line(text))


def latex(text: str) -> str:
    """Text for LaTeX in T1 encoding; the minus of a number stands in math mode, a hyphen stays one."""
    shown = MINUS.sub("−", one_line(text))
    return "".join(LATEX.get(character, character) for character in shown)


def spreadsheet(text: str) -> str:
    """Text for CSV that no spreadsheet takes for a formula, with line feeds for carriage returns.

    Python's csv module does not quote a carriage return, which then ends the row for its reader.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA) else text
