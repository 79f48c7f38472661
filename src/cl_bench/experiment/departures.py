"""In what a run differs from what the published settings that it takes are from. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.classified_over import Labels
from cl_bench.benchmark.config import Backbone, Protocol
from cl_bench.datasets.pretrained.tags import tags_of
from cl_bench.methods.catalog import MethodEntry
from cl_bench.methods.published import published_on

LABELS: dict[Labels, str] = {
    "own": "the classes of an image's own task",
    "seen": "the classes of the tasks learned so far",
    "all": "the classes of all tasks",
}


def departures(
    entry: MethodEntry, preset: str, suite: str, backbone: Backbone, order: str, protocol: Protocol
) -> tuple[str, ...]:
    """One line where nobody published such a run; none under preset ``fair``.

    Args:
        entry: the method and its settings file.
        preset: ``custom`` is ``paper`` with some numbers changed by hand.
        suite: its name.
        backbone: the run's.
        order: ``I``, ``II`` or what else the order is called.
        protocol: the run's.

    Raises:
        UserError: the settings file's table ``[published]`` is wrong.
    """
    origin = published_on(entry.settings, entry.file)
    if preset == "fair":
        return ()
    if "paper" not in entry.settings:
        return (f"preset paper: {entry.name} has no published settings, these are the suite's",)
    if origin is None:
        return (
            f"preset paper: the settings file of {entry.name} does not say on which backbone and suite its "
            "numbers were published; add a table [published]",
        )
    parts = [
        *_other("the backbone", origin.backbones, f"{backbone.name}:{_weights(backbone)}"),
        *_other("the suite", origin.suites, suite),
        *(_other("order", origin.orders, order) if origin.orders else ()),
    ]
    if origin.labels is not None and origin.labels != protocol.labels:
        parts.append(f"{LABELS[origin.labels]}, not {LABELS[protocol.labels]}")
    if protocol.clients is not None:
        parts.append(f"training in one place, not {protocol.clients} clients")
    found = "; ".join(parts)
    return (f"preset paper: the numbers of {entry.name} are from {found}",) if found else ()


def _other(what: str, published: Sequence[str], here: str) -> list[str]:
    """Where ``here`` is none of those published, both in words."""
    return [] if here in published else [f"{what} {' or '.join(published)}, not {here}"]


def _weights(backbone: Backbone) -> str:
    """Of a file the tag whose archive it is, else its path."""
    if not backbone.is_file:
        return backbone.weights
    addresses = {tag: str(config.get("url", "")) for tag, config in tags_of(backbone.name).items()}
    same = (tag for tag, url in addresses.items() if str(backbone.sha256) in url)
    return next(same, backbone.weights)
