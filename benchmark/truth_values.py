"""A truth value is no number, though Python counts with it: ``lr = true`` is a mistake, not 1. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import model_validator

NO_TRUTH = (int, float, str, Path, NoneType)


def _checked(cls: Any, given: Any) -> Any:
    """What was given for the model's fields, as it is; raises ``ValueError`` where it is no number."""
    for name, field in cls.model_fields.items() if isinstance(given, Mapping) else ():
        if _holds_truth(given.get(name)) and not _may_be_truth(field.annotation):
            raise ValueError(f"{name}: a truth value (true or false) has no meaning here")
    return given


numbers_are_numbers = model_validator(mode="before")(_checked)
"""For the body of a model whose values people write: no field that holds no truth value takes one."""


def _holds_truth(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_truth, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


def _may_be_truth(annotation: Any) -> bool:
    """Whether a value of that type may be a truth value or hold one."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(isinstance(one, bool) for one in inner)
    if origin is Annotated:
        return _may_be_truth(inner[0])
    if inner:
        return any(_may_be_truth(one) for one in inner if one is not Ellipsis)
    return annotation not in NO_TRUTH
