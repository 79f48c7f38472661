"""Which file is at fault when torchvision cannot read a data set: each is tried on its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cl_bench.benchmark.errors import UserError

T = TypeVar("T")
Check = tuple[Path, Callable[[Path], object]]
"""A file, and what raises if that file alone is not as it should be."""


def opened(make: Callable[[], T], *checks: Check) -> T:
    """What ``make`` returns; where it fails, the file at fault is named.

    Args:
        make: opens a data set, from several files perhaps.
        checks: the files it reads, in the order in which to suspect them.

    Raises:
        UserError: ``make`` failed.
    """
    try:
        return make()
    except Exception as error:  # damaged files raise a dozen kinds, from as many libraries
        for path, check in checks:
            _try(path, check)
        files = " and ".join(dict.fromkeys(str(path) for path, _ in checks))
        raise UserError(f"cannot read {files}: {_line(error)}; fetch the data set again") from error


def _try(path: Path, check: Callable[[Path], object]) -> None:
    try:
        check(path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} is damaged: {_line(error)}; fetch it again") from error


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def text(path: Path) -> str:
    """Raise what is wrong with a text file."""
    return path.read_text()


def lines(form: str, pattern: str) -> Callable[[Path], None]:
    """A check that every line of a list matches ``pattern``; ``form`` is the same in words."""

    def check(path: Path) -> None:
        for i, line in enumerate(text(path).splitlines(), 1):
            if not re.fullmatch(pattern, line.strip()):
                raise UserError(f"{path}, line {i}: {line!r} is not {form}; fetch the file again")

    return check


def mat(key: str) -> Callable[[Path], Any]:
    """A check that a MATLAB file can be read and holds ``key``."""

    def check(path: Path) -> Any:
        from scipy.io import loadmat

        content = loadmat(path, squeeze_me=True)
        if key not in content:
            raise UserError(f"{path} holds no {key!r}; fetch the file again")
        return content[key]

    return check


def image_lists(path: Path) -> None:
    """A check that a JSON file maps class names to lists of images."""
    content = json.loads(text(path))
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise UserError(f"{path} does not map classes to lists of images; fetch the file again")
