"""A report that is killed while it is written is not taken for a whole one: its page is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import Killed
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.reports import report
from cl_bench.reports.plots import gallery


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_run(root)
    return root


@pytest.fixture(scope="module")
def whole(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    report.write_report([runs], out)
    return out


@pytest.mark.parametrize("moment", ["first table", "seventh table", "a picture", "the page"])
def test_a_killed_report_has_no_page_and_is_made_good_by_the_next(
    moment: str, runs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the report of other runs was in the folder before."""
    out, written, write = tmp_path / "out", list[str](), report.write_atomically
    write_run(tmp_path / "other", "finetune")
    report.write_report([tmp_path / "other"], out)
    old = out / "report.html"
    assert old.exists()

    def killed(*_: object) -> None:
        raise Killed

    def count(path: Path, content: bytes) -> None:
        written.append(path.name)
        places = {"first table": len(written) == 1, "seventh table": len(written) == 7}
        if places.get(moment) or (moment == "the page" and path == old):
            raise Killed
        write(path, content)

    with monkeypatch.context() as kill:
        kill.setattr(report, "write_atomically", count)
        if moment == "a picture":
            kill.setattr(gallery, "save", killed)
        with pytest.raises(Killed):
            report.write_report([runs], out)
    assert not old.exists()
    report.write_report([runs], out)
    again, expected = contents(out), contents(whole)
    assert {name: again[name] for name in expected} == expected


def test_without_a_run_the_report_that_is_there_stays(whole: Path, tmp_path: Path) -> None:
    before = contents(whole)
    with pytest.raises(UserError):
        report.write_report([tmp_path], whole)
    assert contents(whole) == before
