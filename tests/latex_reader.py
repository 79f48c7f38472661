"""A small reader of the LaTeX that reports write: enough to tell that it would compile.

It knows environments, braces, math mode and the commands that tables and figures use, and refuses all
else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ARGUMENTS = {
    "begin": 1, "end": 1, "caption": 1, "label": 1, "textbf": 1, "underline": 1, "rotatebox": 2,
    "setlength": 2, "item": 0, "toprule": 0, "midrule": 0, "bottomrule": 0, "centering": 0,
    "includegraphics": 1, "footnotesize": 0, "tabcolsep": 0, "textbackslash": 0, "textasciitilde": 0,
    "textasciicircum": 0, "textless": 0, "textgreater": 0, "textbar": 0, "textquotedbl": 0,
}  # fmt: skip
IN_MATH = {"pm", "approx", "downarrow", "Delta"}
INSIDE = {
    "table": None, "figure": None, "threeparttable": "table", "tabular": "threeparttable",
    "tablenotes": "threeparttable",
}  # fmt: skip
TOKEN = re.compile(r"\\([A-Za-z]+|.)|([{}$&%#_^~])", re.DOTALL)


@dataclass
class Read:
    """What was found: labels, the number of notes, and for each tabular the cells of every row."""

    labels: list[str] = field(default_factory=list)
    notes: int = 0
    tables: list[list[list[str]]] = field(default_factory=list)


def read(text: str) -> Read:
    """Read a file.

    Raises:
        ValueError: LaTeX would refuse it, or set something else than was meant.
    """
    found, body = Read(), "\n".join(x for x in text.splitlines() if not x.startswith("%"))
    _balanced(body)
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\*?\}", body):
        if kind == "begin":
            if INSIDE[name] != (stack[-1] if stack else None):
                raise ValueError(f"{name} inside {stack}")
            stack.append(name)
        elif not stack or stack.pop() != name:
            raise ValueError(f"end of {name} without its begin")
    if stack:
        raise ValueError(f"{stack} does not end")
    found.labels = re.findall(r"\\label\{([^{}]*)\}", body)
    found.notes = body.count(r"\item ")
    for columns, inner in re.findall(
        r"\\begin\{tabular\}\{((?:[^{}]|\{[^{}]*\})*)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL
    ):
        found.tables.append(_rows(columns, inner))
    return found


def _rows(columns: str, inner: str) -> list[list[str]]:
    width = len(re.sub(r"p\{[^{}]*\}", "l", columns))
    rules = (r"\toprule", r"\midrule", r"\bottomrule")
    lines = [line for line in inner.splitlines() if line and line not in rules]
    rows = []
    for line in lines:
        if not line.endswith(r" \\"):
            raise ValueError(f"a row without its end: {line}")
        cells = re.split(r"(?<!\\)&", line[:-3])
        if len(cells) != width:
            raise ValueError(f"{len(cells)} cells in {width} columns: {line}")
        rows.append([cell.strip() for cell in cells])
    return rows


def _balanced(body: str) -> None:
    """Braces and dollar signs close; commands are known ones; nothing special stands bare."""
    depth, math = 0, False
    for match in TOKEN.finditer(
        re.sub(r"(\\label|\\includegraphics\[[^]]*\])\{[^{}]*\}", "", body)
    ):
        command, sign = match[1], match[2]
        if command is not None:
            _known(command, math, body)
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
        elif sign == "$":
            math = not math
        elif sign != "&":
            raise ValueError(
                f"a bare {sign} near {match.string[max(0, match.start() - 30) :][:60]!r}"
            )
        if depth < 0:
            raise ValueError("a brace closes that was not opened")
    if depth or math:
        raise ValueError("a brace or math mode stays open")


def _known(command: str, math: bool, body: str) -> None:
    """A command of letters is one that the tables use, in its mode, with its argument."""
    if not command.isalpha():
        return
    if command not in (IN_MATH if math else ARGUMENTS):
        raise ValueError(f"\\{command} {'in' if math else 'outside of'} math mode")
    takes = ARGUMENTS.get(command, 0)
    if takes and re.search(rf"\\{command}(?![A-Za-z{{\[])", body):
        raise ValueError(f"\\{command} without an argument")
