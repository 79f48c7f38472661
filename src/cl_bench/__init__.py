"""cl-bench: continual-learning methods for vision-language models, compared honestly."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cl_bench.api.caller import RunWarning
    from cl_bench.api.method import MethodInfo, method
    from cl_bench.api.run import Run
    from cl_bench.api.runs import Runs, load
    from cl_bench.api.start import resume, run
    from cl_bench.methods.catalog import known_methods as list_methods

__all__ = [
    "MethodInfo", "Run", "RunWarning", "Runs", "list_methods", "load", "method", "resume", "run",
]  # fmt: skip
__version__ = "0.1.0"

# torch's threads, while they wait for work, keep their cores busy for milliseconds: two runs at once then
# take each other's cores and each is many times slower. A shorter wait costs a single run nothing; none at
# all (PASSIVE) takes 1.6 times as long. Read when torch is first imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# git stores the four folders here as symbolic links; a clone without link support gets text files.
for _folder in ("benchmark", "methods", "datasets", "reports"):
    if not (Path(__file__).parent / _folder).is_dir():
        raise ImportError(
            f"{Path(__file__).parent / _folder} should be a link to the top-level folder "
            f"{_folder}/. Clone again with `git clone -c core.symlinks=true`."
        )

# Imported when first asked for: `import cl_bench` alone takes no time and brings no torch.
_PLACES = {
    "Run": "api.run:Run",
    "Runs": "api.runs:Runs",
    "load": "api.runs:load",
    "run": "api.start:run",
    "resume": "api.start:resume",
    "RunWarning": "api.caller:RunWarning",
    "MethodInfo": "api.method:MethodInfo",
    "method": "api.method:method",
    "list_methods": "methods.catalog:known_methods",
}


def __getattr__(name: str) -> Any:
    """What ``__all__`` lists."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    """What can be asked for."""
    return sorted([*globals(), *_PLACES])
