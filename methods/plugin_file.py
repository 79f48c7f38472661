"""A Python file of the user's that defines methods."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError

if TYPE_CHECKING:
    from cl_bench.benchmark.method import Method


def plugin_classes(path: Path) -> dict[str, type[Method]]:
    """Run the file and collect the methods it defines, under kebab-case names.

    Raises:
        UserError: there is no such file, or it is not Python, fails, or defines no method.
    """
    if not path.is_file():
        raise UserError(f"the plug-in {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"cl_bench_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"the plug-in {path} is not a Python file")
    if path.suffix == ".py":
        _must_be_python(path)
    from cl_bench.benchmark.method import Method  # torch, so after all that needs none

    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a plug-in may raise anything
        raise UserError(f"the plug-in {path} cannot be loaded: {error!r}") from error
    classes = {
        hyphenated(c.__name__): c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Method) and c.__module__ == spec.name
    }
    if not classes:
        raise UserError(f"the plug-in {path} defines no subclass of cl_bench.benchmark.Method")
    return classes


def hyphenated(class_name: str) -> str:
    """A class's name in lower case with hyphens: ``norm-tuning`` of ``NormTuning``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", class_name).lower()


def _must_be_python(path: Path) -> None:
    try:
        compile(path.read_bytes(), path, "exec")
    except (SyntaxError, ValueError) as error:
        raise UserError(f"the plug-in {path} cannot be loaded: {error!r}") from error
