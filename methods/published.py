"""What the numbers of a preset ``paper`` are from: the table ``[published]`` of a method's settings file. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from cl_bench.benchmark.classified_over import Labels
from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.user_file import first_problem

Names = tuple[str, ...]


class Published(Settings):
    """On what a method's published numbers were used."""

    backbones: Annotated[Names, Field(min_length=1)]
    """``NAME:WEIGHTS`` as under ``--backbone``; a model without such a name in words."""
    suites: Annotated[Names, Field(min_length=1)]
    """Suites by name; data that is no suite here in words."""
    orders: Names = ()
    """Orders that the numbers were given for; none: the same numbers for any order."""
    labels: Labels | None = None
    """Over which classes an image was classified, as in ``Protocol.labels``; absent: not said."""


def published_on(settings: Mapping[str, Any], file: Path | None) -> Published | None:
    """What a settings file says of it; ``None`` where it says nothing.

    Raises:
        UserError: the table is wrong; names the file.
    """
    if "published" not in settings:
        return None
    try:
        return Published.model_validate(settings["published"])
    except ValidationError as error:
        problem = first_problem(error)
        raise UserError(f"the settings file {file}: [published]: {problem}") from error
