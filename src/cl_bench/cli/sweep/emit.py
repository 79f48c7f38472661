"""The grid of a sweep as a file of W&B's own sweeps, for those who start agents by hand."""

from __future__ import annotations

import yaml

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.record import write_atomically
from cl_bench.cli.console import console, made
from cl_bench.cli.sweep.sweep import Sweep


def emit_command(sweep: Sweep, target: str) -> None:
    """Write the file and say how it is used.

    Raises:
        UserError: the target is unknown, or a method has settings of its own, which a W&B grid,
            every combination of its values, cannot say.
    """
    if target != "wandb":
        raise unknown("target", target, ("wandb",))
    if own := next((cell for cell in sweep.cells if cell.own), None):
        raise UserError(
            f"{own.name}: a W&B grid gives no method a setting of its own; leave it out, or use --set"
        )
    file = sweep.folder / "wandb-sweep.yaml"
    write_atomically(file, wandb_file(sweep).encode())
    console.print(
        f"{file}: start it with `wandb sweep {file}`, then `wandb agent` where runs go",
        soft_wrap=True,
    )
    made(file)


def wandb_file(sweep: Sweep) -> str:
    """The sweep as YAML: https://docs.wandb.ai/guides/sweeps/define-sweep-configuration."""
    options = sweep.dashboards if "--wandb" in sweep.dashboards else ("--wandb", "online")
    values: dict[str, list[str | int]] = {
        "method": [cell.method for cell in sweep.cells],
        "order": [cell.order for cell in sweep.cells],
        "seed": [cell.seed for cell in sweep.cells],
    }
    content = {
        "name": "cl-bench",
        "method": "grid",
        "metric": {"name": "average", "goal": "maximize"},
        "parameters": {key: {"values": list(dict.fromkeys(v))} for key, v in values.items()},
        "command": [
            "cl-bench", "run", "${args}", *sweep.common, *options, "--out", sweep.out.as_posix(),
        ],
    }  # fmt: skip
    return str(yaml.safe_dump(content, sort_keys=False))
