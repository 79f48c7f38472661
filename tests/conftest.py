"""What holds for every test: nothing is written into a home, and no property is judged by its time."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

os.environ.pop("COLUMNS", None)  # workers of pytest have it, and so would the commands they run

hypothesis.settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=True,  # the same cases in every run
)
hypothesis.settings.load_profile("untimed")


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Lets one worker run tests that share a run or a fixture: those of a file, or a method's contract."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.endswith("test_contract.py"):
            return test.partition("[")[2]
        return file if _shares(self.config.rootpath / file) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """Called where several workers run the tests."""
    return Sharing(config, log)


@functools.cache
def _shares(path: Path) -> bool:
    """Whether the tests of a file have something in common."""
    text = path.read_text()
    return 'scope="module"' in text or "@cache" in text


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


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files for every need of a method, by option; enough of each for a step, and all without content."""
    folder = tmp_path_factory.mktemp("references")
    for i in range(128):
        (folder / f"{i}.jpg").write_bytes(b"")
    rows = "\n".join(f"{i}.jpg,number {i}" for i in range(128))
    (folder / "pairs.csv").write_text(f"path,prompt\n{rows}\n")
    (folder / "captions.txt").write_text("\n".join(map(str, range(128))))
    (folder / "alexnet.pth").write_bytes(b"")
    return {
        "reference_images": folder,
        "reference_texts": folder / "captions.txt",
        "reference_pairs": folder,
        "selector_weights": folder / "alexnet.pth",
    }
