"""What holds for every test: nothing is written into the home of whoever runs them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def digests_in_tmp(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Digests of files are remembered below pytest's own folder."""
    folder = tmp_path_factory.mktemp("digests")
    monkeypatch.setenv("CL_BENCH_CACHE", str(folder))
    return folder
