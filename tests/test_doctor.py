"""`doctor`: a line per check, what a warning and a failure look like, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import doctor
from cl_bench.cli.doctor import Finding
from cl_bench.datasets.mtil import layout
from cl_bench.datasets.mtil.layout import facts

Captured = pytest.CaptureFixture[str]


def test_every_check_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=50 * 2**30))
    assert cl_bench(monkeypatch, "doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    starts = ("cl-bench ", "50 GiB of disk", "no data root", "torch ", "cpu: fp32 ", "mini suite: ")
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"ok    {start}"), line


@pytest.mark.parametrize(
    ("gib", "state", "words"),
    [
        (0.5, "fail", "only 512 MiB of disk are free here"),
        (2, "warn", "2 GiB of disk free here: enough for mini"),
        (10, "ok", "10 GiB of disk free here"),
    ],
)
def test_the_disk(gib: float, state: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = int(gib * 2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = doctor.CHECKS["disk"]()
    assert finding.state == state and finding.words.startswith(words)
    assert finding.facts == {"free_bytes": free}


def test_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = doctor.CHECKS["data root"]
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    assert check().facts == {"root": None, "found": []} and check().state == "ok"
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "gone"))
    assert check().state == "fail" and "gone is not a folder" in check().words
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    assert check().state == "warn" and "0 of 11 MTIL data sets found; " in check().words
    every = dict.fromkeys(facts()["datasets"], ())
    monkeypatch.setattr(layout, "missing_files", lambda root: every | {"DTD": ("a",)})
    assert check().state == "warn" and "DTD" not in check().facts["found"]
    assert "10 of 11 MTIL data sets found (Aircraft, " in check().words
    monkeypatch.setattr(layout, "missing_files", lambda root: every)
    assert check().state == "ok" and check().facts["found"] == list(every)


@pytest.mark.parametrize(
    "error", [UserError("no"), ImportError("no"), OSError("no"), RuntimeError("no")]
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_breaks_has_failed_and_the_other_checks_go_on(
    options: tuple[str, ...], error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def broken() -> Finding:
        raise error

    checks = {"torch": broken, "mini": lambda: Finding("warn", "hm", {"n": 1})}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert cl_bench(monkeypatch, "doctor", *options) == 1
    said = capsys.readouterr()
    if options:
        assert json.loads(said.out) == {
            "well": False,
            "checks": [
                {"check": "torch", "state": "fail", "words": "torch: no", "facts": {}},
                {"check": "mini", "state": "warn", "words": "hm", "facts": {"n": 1}},
            ],
        }
    else:
        assert said.out.split("\n") == ["fail  torch: no", "warn  hm", ""]
    assert said.err == ""


def test_a_warning_is_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"disk": lambda: Finding("warn", "little")})
    assert cl_bench(monkeypatch, "doctor") == 0
    assert cl_bench(monkeypatch, "doctor", "--json") == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2])["well"] is True
