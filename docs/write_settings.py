"""Write docs/settings/: a page per method with all that can be set of it. `python docs/write_settings.py`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cl_bench.datasets.catalog import find_suite
from cl_bench.experiment.setting_words import TITLES, in_words
from cl_bench.experiment.settings import Setting, Value, settings_of
from cl_bench.methods.catalog import BUILT_IN, find_method

FOLDER = Path(__file__).parent / "settings"
HEAD = """\
# Settings of `{name}`

Written by `python docs/write_settings.py`; `cl-bench list settings {name}` shows them on any suite. `paper` is
what its settings file gives as published, `fair` what is equal for all methods or was chosen for a suite;
`-` is absent. Change one with `--set NAME=VALUE`, or with the option that stands below its name.
"""
COLUMNS = (
    "setting",
    "what it may be",
    "default",
    "`paper` on mtil",
    "`fair` on mtil",
    "`fair` on mini",
    "",
)


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name in BUILT_IN:
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")


def page(name: str) -> str:
    """The page of a method, as Markdown."""
    entry = find_method(name)
    mtil, mini = (settings_of(entry, find_suite(suite)) for suite in ("mtil", "mini"))
    parts = [HEAD.format(name=name)]
    for table, title in TITLES.items():
        rows = [pair for pair in zip(mtil, mini, strict=True) if pair[0].table == table]
        if rows:
            lines = (
                _cells(COLUMNS),
                _cells("---" for _ in COLUMNS),
                *map(_row, *zip(*rows, strict=True)),
            )
            parts.append(f"## `{table}`: {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _row(mtil: Setting, mini: Setting) -> str:
    other = (
        "" if mtil.option.startswith("--set") else f"<br>{mtil.option or 'settings files alone'}"
    )
    kind = f"{mtil.kind} {mtil.range}".strip()
    values = (_value(value) for value in (mtil.paper, mtil.fair, mini.fair))
    return _cells((f"`{mtil.name}`{other}", kind, in_words(mtil.default), *values, mtil.about))


def _value(value: Value | None) -> str:
    """A value and, in small print, who says so."""
    if value is None:
        return "-"
    source = "" if value.source == "default" else f"<br><sub>{value.source}</sub>"
    return f"{in_words(value.value)}{source}"


def _cells(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


if __name__ == "__main__":
    main()
