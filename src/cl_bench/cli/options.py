"""Options of commands, made from the fields of the settings that they fill: declared there, once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from cl_bench.benchmark.config import Settings
from cl_bench.cli.completion import OF_CHOICES, runs
from cl_bench.experiment.choices import kind_of, written

TYPES: dict[type, Any] = {
    str: str | None, int: int | None, float: float | None, Path: Path | None, bool: bool, tuple: list[str] | None,
}  # fmt: skip
Command = Callable[..., None]
RunPath = Annotated[
    Path, typer.Argument(help="A run's directory.", metavar="RUN", autocompletion=runs)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="No progress and no tables: warnings go to standard error, the path of what was made "
        "to standard output.",
    ),
]
Runs = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Runs, or folders of them. (default: runs)", metavar="[RUN]...", autocompletion=runs
    ),
]
Seeds = Annotated[
    Path, typer.Argument(help="A run, or a folder of one method's seeds.", autocompletion=runs)
]


def takes(
    argument: str, settings: type[Settings], names: Iterable[str]
) -> Callable[[Command], Command]:
    """Give a command an option for each of some fields, in the place of one of its arguments.

    Several stand above a command in the order of its arguments.

    Args:
        argument: of the command, which receives what was typed: field -> value, without the fields
            of which nothing was said.
        settings: whose fields they are; a field's docstring is the option's help.
        names: the fields.
    """
    options = [_option(name, settings.model_fields[name]) for name in names]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(**typed: Any) -> None:
            values = {option.name: typed.pop(option.name) for option in options}
            given = {name: value for name, value in values.items() if _is_said(value)}
            command(**typed, **{argument: given})

        signature = inspect.signature(command, eval_str=True)
        parameters = list(signature.parameters.values())
        place = list(signature.parameters).index(argument)
        parameters[place : place + 1] = options
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        return called

    return decorate


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind, said = kind_of(field), written(field)
    option = typer.Option(
        f"--{said.name or name.replace('_', '-')}",
        help=" ".join((field.description or "").split()),
        metavar=said.value,
        autocompletion=OF_CHOICES.get(name),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=False if kind is bool else None,
        annotation=Annotated[TYPES[kind], option],
    )


def _is_said(value: object) -> bool:
    return value is not None and value is not False and value != []
