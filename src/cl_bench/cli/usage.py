"""What is wrong with a line that was typed, in one line, and what to write."""

from __future__ import annotations

from typing import Any

import typer

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # typer does not name it in public
COMMANDS = {  # what other programs call the commands
    "train": "run",
    "start": "run",
    "fit": "run",
    "continue": "resume",
    "ls": "list",
    "plot": "report",
    "table": "report",
    "tables": "report",
    "diff": "why",
    "check": "data check",
    "upload": "sync",
    "version": "--version",
    "help": "--help",
    "methods": "list methods",
    "suites": "list suites",
    "settings": "list settings METHOD",
    "backbones": "list backbones",
    "licences": "list licences",
    "licenses": "list licences",
}


def show_usage_error(error: Any) -> None:
    """Print a usage error of typer's; where nothing was typed, the help.

    Args:
        error: a :data:`USAGE_ERROR`.
    """
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    path = error.ctx.command_path if error.ctx else "cl-bench"
    words = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    if type(error).__name__ == "NoSuchOption":
        words = f"{path} has no option {error.option_name}{_instead_of(error)}"
    elif (name := words.partition("No such command '")[2].rstrip("'")) in COMMANDS:
        words = f"there is no command {name!r}: write cl-bench {COMMANDS[name]}"
    end = "" if words.endswith("?") else "."
    typer.secho(f"error: {words}{end} `{path} --help` shows what can be typed.", fg="red", err=True)


def _instead_of(error: Any) -> str:
    """What to write in the place of an option that the command does not have."""
    from cl_bench.benchmark.near_names import near_names
    from cl_bench.experiment.settings import settable_names
    from cl_bench.experiment.spellings import option_meant, setting_meant

    options = [option for p in error.ctx.command.params for option in p.opts if option[:2] == "--"]
    name = error.option_name.lstrip("-")
    if (dashed := f"--{name.replace('_', '-').lower()}") in options:
        return f": write {dashed}"
    meant = option_meant(name)
    if meant and meant.split()[0] in options:
        return f": write {meant}"
    setting = setting_meant(name) or name.replace("-", "_").lower()
    if "--set" in options and setting in settable_names():
        return f": write --set {setting}=VALUE"
    near = near_names(name, [option[2:] for option in options])
    return f": did you mean {' or '.join(f'--{option}' for option in near)}?" if near else ""
