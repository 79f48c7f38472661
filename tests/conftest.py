"""What holds for every test: nothing is written into a home, and no property is judged by its time."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=True,  # the same cases in every run
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def digests_in_tmp(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Digests of files are remembered below pytest's own folder.

    Not by ``CL_BENCH_CACHE``, which would move the decoded images of every test, too.
    """
    folder = tmp_path_factory.mktemp("home-cache")
    monkeypatch.delenv("CL_BENCH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "cl-bench" / "digests"
