"""A saved view of a W&B project with panels for what runs send there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import missing_extra
from cl_bench.benchmark.record import RECALL_AT, WAYS, recall_name
from cl_bench.reports.runs.metrics import MAIN, METRICS
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.sinks.points import curves

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Section

NAME = "cl-bench"


def must_be_installed() -> None:
    """Say now that the extra ``workspace`` is missing, before anything is sent.

    Raises:
        UserError: it is.
    """
    if find_spec("wandb_workspaces") is None:
        raise missing_extra("a workspace on W&B", "workspace")


def save_workspace(configs: Sequence[RunConfig], entity: str | None, project: str) -> str:
    """Save a new view of the project; those that are there stay.

    Args:
        configs: of the runs; every task of any of them has its panels.
        entity: user or team; W&B's default without.
        project: of the runs.

    Returns:
        Where the view is.
    """
    import wandb
    import wandb_workspaces.workspaces as ws

    whose = str(entity or wandb.Api().default_entity)
    view: Any = ws.Workspace(entity=whose, project=project, name=NAME, sections=sections(configs))
    view.save_as_new_view()
    return str(view.url)


def sections(configs: Sequence[RunConfig]) -> list[Section]:
    """The panels, by what they show."""
    tasks = list(dict.fromkeys(name for c in configs for name in short_names(c.tasks)))
    own = list(dict.fromkeys(curve for c in configs for curve in curves(c)))
    results = [(METRICS[name], "task/learned", f"metrics/{name}") for name in MAIN]
    held_out = dict.fromkeys(f"held_out/{name}" for c in configs for name in c.held_out)
    searched = dict.fromkeys(
        f"retrieval/{name}/{recall_name(way, RECALL_AT[0])}"
        for c in configs
        for name in c.retrieval
        for way in WAYS
    )
    beside = [(key, "task/learned", key) for key in (*held_out, *searched)]
    return [
        _section("Transfer, Average, Last so far", results),
        *([_section("Held-out and retrieval sets", beside)] if beside else []),
        _section("Accuracy by task", [(t, "task/learned", f"accuracy/{t}") for t in tasks]),
        _section("Training", [(n, "train/step", f"train/{n}") for n in ("loss", "task", "lr")]),
        _section("Loss by task", [(c, f"train/{c}/step", f"train/{c}/loss") for c in own]),
    ]


def _section(name: str, panels: Iterable[tuple[str, str, str]]) -> Section:
    """Line plots by title, axis and what is drawn over it."""
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces.reports.v2.interface import LinePlot

    plots: list[Any] = [LinePlot(title=title, x=x, y=[y]) for title, x, y in panels]
    return ws.Section(name=name, panels=plots, is_open=True)
