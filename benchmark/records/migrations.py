"""Configurations of older versions, brought to the present form as they are read. No torch.

No file is changed. Each step leads from one version to the next, so a configuration of any version goes
through all that came after it. A field that came later without a new version has a value in ``RunConfig``
that stands for what runs did before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cl_bench.benchmark.config import RunConfig, digest_of
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.events import Learned, Step, those
from cl_bench.benchmark.records.files import read_json
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.benchmark.records.versions import must_be_known

NEWEST: int = RunConfig.model_fields["schema_version"].default
Content = dict[str, Any]


def migrated(run: Path) -> Content:
    """The content of ``config.json`` of a run's directory, in the present form.

    Raises:
        UserError: it is missing or damaged, of a newer version, or of an older one that says too little;
            names the file, the version and what to do.
    """
    file = run / "config.json"
    content = read_json(file)
    must_be_known(file, content.get("schema_version"), NEWEST)
    version = content.get("schema_version")
    while type(version) is int and version in STEPS:
        try:
            content = STEPS[version](content, run)
        except (KeyError, TypeError, AttributeError) as error:
            words = f"is damaged: it is no configuration of version {version}"
            raise UserError(f"{file} {words}") from error
        version += 1
        content["schema_version"] = version
    return content


def recorded_digest(run: Path, config: RunConfig) -> str:
    """The digest of the run's configuration as the run itself computed it.

    Raises:
        UserError: ``config.json`` is missing or damaged.
    """
    content = read_json(run / "config.json")
    if content.get("schema_version") != 1:
        return config.digest()
    return digest_of({k: of for k, of in content.items() if k not in ("device", "choices")})


def _from_1(content: Mapping[str, Any], run: Path) -> Content:
    """Version 1 had epochs where there are steps now; how many steps these were stands in the log."""
    steps = _logged_steps(run)
    budget = dict(content["budget"])
    tasks = budget.pop("epochs")
    if unknown := [task for task in tasks if not steps.get(task)]:
        raise UserError(
            f"{run / 'config.json'} is of version 1, which counts epochs, and the log holds no steps of "
            f"{unknown[0]}: how long it was to be trained is not known; read the run with the cl-bench that made it"
        )
    return {**content, "budget": budget | {"steps": {task: steps[task] for task in tasks}}}


def _logged_steps(run: Path) -> dict[str, int]:
    """Task -> its optimizer steps, as far as the log holds them."""
    try:
        events = read_log(run / "events.jsonl")
    except OSError as error:
        raise UserError(f"{run / 'events.jsonl'} cannot be read: {error.strerror}") from error
    begun = {event.task: event.steps for event in those(events, Step)}
    return begun | {event.task: event.steps for event in those(events, Learned)}


STEPS: dict[int, Callable[[Mapping[str, Any], Path], Content]] = {1: _from_1}
