"""docs/run-directory.md lists the fields of a log and a manifest as the models have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from cl_bench.benchmark.records.events import Event, Logged
from cl_bench.benchmark.records.manifest import Git, Hardware, Manifest, Session

DOCS = (Path(__file__).parents[1] / "docs" / "run-directory.md").read_text()
EVENTS: Sequence[type[Logged]] = get_args(get_args(Event)[0])


def table(of: str, models: dict[str, type[BaseModel]]) -> str:
    """One row per model and one per field of it; what every event holds stands once."""
    lines = [f"| {of} | field | |", "|---|---|---|"]
    for name, model in models.items():
        lines.append(f"| **{name}** | | {in_one_line(model.__doc__)} |")
        lines += [
            f"| | `{field}` | {in_one_line(info.description)} |"
            for field, info in model.model_fields.items()
            if model is Logged or field not in Logged.model_fields
        ]
    return "\n".join(lines)


def in_one_line(text: str | None) -> str:
    assert text
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("of", "models"),
    [
        ("event", {"every event": Logged, **{m.model_fields["event"].default: m for m in EVENTS}}),
        ("part", {"manifest": Manifest, "session": Session, "git": Git, "hardware": Hardware}),
    ],
)
def test_the_tables_are_those_of_the_models(of: str, models: dict[str, type[BaseModel]]) -> None:
    expected = table(of, models)
    assert len(expected.splitlines()) > 20
    assert expected in DOCS, f"docs/run-directory.md lacks or has another table:\n{expected}"
