"""The command line in the tests' own process."""

from __future__ import annotations

import pytest

from cl_bench.cli import app


def cl_bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line; returns its exit code."""
    monkeypatch.setattr("sys.argv", ["cl-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    return int(stopped.value.code or 0)
