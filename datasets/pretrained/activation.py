"""GELU or QuickGELU: which one a model's weights were trained with, as its name says.

The outputs of one unit differ by up to 0.0203. With the wrong one a model still works, only less well,
so nobody would notice the mistake.
"""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.pretrained.tags import PLAIN, QUICK, base_name, tags_of, twin


def activation(backbone: str) -> str:
    """The activation that a backbone's name stands for, in words."""
    return "QuickGELU" if backbone.endswith(QUICK) else "GELU"


def name_for_tag(name: str, tag: str) -> str:
    """The name whose activation is the one that a tag's weights were trained with.

    Raises:
        UserError: ``name`` asks for the other activation.
    """
    quick, base = twin(name), base_name(name)
    right = quick if quick and tags_of(name)[tag].get("quick_gelu") else base
    if name not in (base, right) and not (name == f"{base}{PLAIN}" and right == base):
        raise UserError(
            f"the weights {tag!r} were trained with {activation(right)}, not {activation(name)}: "
            f"write --backbone {right}:{tag}"
        )
    return right


def name_for_file(name: str, file: Path, from_openai: bool) -> str:
    """The name whose activation is the one that a file's weights were trained with.

    Args:
        name: as the user gave it; with ``-quickgelu`` or ``-gelu`` it decides.
        file: the weights.
        from_openai: whether the file is OpenAI's own archive, which tells that it is QuickGELU.

    Raises:
        UserError: neither the name nor the file tells, or they contradict each other.
    """
    quick = twin(name)
    if from_openai and (quick is None or name.endswith(PLAIN)):
        raise UserError(
            f"{file} is an archive of OpenAI's, whose models use QuickGELU, but {name} uses GELU"
            + (f": write --backbone {quick}:{file}" if quick else "")
        )
    if from_openai and quick is not None:
        return quick
    if quick is not None and name == base_name(name):
        raise UserError(
            f"{file} does not tell which activation its model was trained with: write "
            f"--backbone {quick}:{file} (OpenAI, DFN, MetaCLIP) or {name}{PLAIN}:{file} "
            "(most of LAION and DataComp)"
        )
    return name if quick else base_name(name)
