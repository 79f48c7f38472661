"""``verify`` computes again what a run claims, and a stranger's folder does it no harm."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import cl_bench
from safetensors.torch import load_file, save_file
from written_run import write_run

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.records.damage import damage
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import write_content
from cl_bench.benchmark.records.run_log import line_of
from cl_bench.cli import execute
from cl_bench.cli.dashboards import Dashboards
from cl_bench.cli.verify.claims import all_claims
from cl_bench.experiment.choices import Choices

CLAIMS = {
    "folder", "ledger", "config", "accuracies", "metrics", "log: rows", "log: training", "log: end",
    "checkpoint", "checkpoint content", "backbone", "suite", "tasks", "label space", "settings",
    "test images", "training images", "code",
}  # fmt: skip


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished few-shot run of the embedded suite under one label space for all tasks."""
    out = tmp_path_factory.mktemp("runs")
    choices = Choices(
        suite="mini", method="lora", order="mini-MNIST,mini-EuroSAT", device="cpu",
        protocol="x-tail", shots=1, overrides=("steps=1", "rank=1"),
    )  # fmt: skip
    execute.run_command(choices, [0], out, False, Dashboards())
    (config,) = out.rglob("config.json")
    return config.parent


def verdicts(path: Path) -> dict[str, str]:
    return {claim.name: claim.verdict for claim in all_claims(path)}


def test_an_honest_run_is_proven_but_for_its_commit(honest: Path) -> None:
    found = verdicts(honest)
    assert found.keys() == CLAIMS
    assert {name for name, verdict in found.items() if verdict != "proven"} == {"code"}
    assert found["code"] == "not checkable here"


def test_the_command_prints_a_line_per_claim(
    honest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "verify", str(honest)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(honest) and len(lines) == 1 + len(CLAIMS) + 1
    assert lines[-1] == "1 run, claims: 17 proven, 1 not checkable here, 0 false"
    assert cl_bench(monkeypatch, "verify", str(honest / "predictions")) == 2


def edit(name: str, change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    """Change a JSON file of a run."""

    def forge(run: Path) -> None:
        content = json.loads((run / name).read_text())
        content.pop("sha256", None)
        change(content)
        if name == "manifest.json":
            write_content(run, content)
        else:
            (run / name).write_text(json.dumps(content))

    return forge


def arrays(name: str, change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    """Change a file of arrays of a run."""

    def forge(run: Path) -> None:
        with np.load(run / name) as packed:
            content = dict(packed)
        change(content)
        np.savez(run / name, **content)  # type: ignore[arg-type]

    return forge


def log(change: Callable[[list[dict[str, object]]], object]) -> Callable[[Path], None]:
    """Change the log of a run; every line gets the check sum that fits it."""

    def forge(run: Path) -> None:
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        change(events)
        lines = (line_of({k: v for k, v in e.items() if k != "crc32"}) for e in events)
        (run / "events.jsonl").write_bytes(b"".join(lines))

    return forge


def not_a_number(run: Path) -> None:
    file = run / "checkpoints" / "after-02.safetensors"
    tensors = load_file(file)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, file)


def better(run: Path) -> None:
    """Accuracies that are too good, in every place where they stand but the predictions."""
    for name in ("matrix.csv", "matrix.json", "events.jsonl"):
        text = (run / name).read_text()
        (run / name).write_text(text.replace(last_accuracy(run), "99.5"))


def last_accuracy(run: Path) -> str:
    return repr(json.loads((run / "matrix.json").read_text())["rows"][-1][-1])


def of(events: list[dict[str, object]], kind: str) -> dict[str, object]:
    return [event for event in events if event["event"] == kind][-1]


def first(table: object) -> str:
    assert isinstance(table, dict)
    return str(next(iter(table)))


FORGERIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a seed": (edit("config.json", lambda c: c.update(seed=7)), "config"),
    "a suite": (edit("config.json", lambda c: c["suite"].update(digest="0" * 12)), "suite"),  # type: ignore[attr-defined]
    "settings": (edit("config.json", lambda c: c["method_settings"].update(rank=2)), "settings"),  # type: ignore[attr-defined]
    "metrics": (edit("matrix.json", lambda m: m["metrics"].update(last=99.0)), "metrics"),  # type: ignore[attr-defined]
    "predictions": (
        arrays("predictions/after-01.npz", lambda p: p["mini-MNIST"].__iadd__(1)), "accuracies"
    ),
    "a class that is none": (
        arrays("predictions/after-00.npz", lambda p: p["mini-MNIST"].fill(999)), "label space"
    ),
    "targets": (arrays("predictions/targets.npz", lambda t: t["mini-MNIST"].fill(0)), "test images"),
    "few-shot rows": (arrays("shots.npz", lambda s: s["mini-MNIST"].__iadd__(1)), "training images"),
    "training data": (
        edit("manifest.json", lambda m: m["data"]["mini-MNIST"].__setitem__(0, "0" * 64)),  # type: ignore[index]
        "training images",
    ),
    "fewer steps": (log(lambda e: of(e, "learned").update(steps=0)), "log: training"),
    "an end": (log(lambda e: of(e, "finished").update(metrics={})), "log: end"),
    "a row": (log(lambda e: e.remove(of(e, "evaluated"))), "log: rows"),
    "a number": (not_a_number, "checkpoint content"),
    "weights": (edit("config.json", lambda c: c["backbone"].update(sha256="0" * 64)), "backbone"),  # type: ignore[attr-defined]
    "status": (edit("manifest.json", lambda m: m.update(status="running", ledger=1)), "log: end"),
    "better rows": (better, "accuracies"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_with_a_ledger_of_its_own_is_false(
    name: str, honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Who rewrites the ledger, too, is found by what follows from nothing."""
    forge, claim = FORGERIES[name]
    path = tmp_path / honest.name
    shutil.copytree(honest, path)
    forge(path)
    assert damage(path, checkpoints=True)
    write_ledger(path)
    assert cl_bench(monkeypatch, "verify", str(path)) == 1
    said = capsys.readouterr().out
    assert re.search(rf"false +{claim} ", said) and re.search("proven +ledger ", said), said


def bomb(run: Path) -> None:
    """A small archive that unpacks to 300 MiB."""
    with (
        zipfile.ZipFile(run / "shots.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))


def pickled(run: Path) -> None:
    """Arrays of objects run code when they are read."""
    np.savez(run / "predictions" / "targets.npz", a=np.array([print], dtype=object))


def huge(run: Path) -> None:
    with (run / "predictions" / "after-01.npz").open("wb") as file:
        file.truncate(2**40)


def deep(run: Path) -> None:
    (run / "config.json").write_text("[" * 100_000)


def linked(run: Path) -> None:
    (run / "config.json").unlink()
    (run / "config.json").symlink_to("/etc/passwd")


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a zip bomb": (bomb, "unpacks to more than"),
    "pickled objects": (pickled, "targets.npz is damaged"),
    "a terabyte": (huge, "no run writes that"),
    "nested JSON": (deep, "config.json is damaged"),
    "a link that leads out": (linked, "config.json is a link to /etc/passwd"),
    "a hidden link": (lambda run: (run / ".x").symlink_to("/etc"), ".x is a link to /etc"),
    "a linked folder": (lambda run: (run / "more").symlink_to("/"), "more is a link to /"),
    "a pipe": (lambda run: os.mkfifo(run / "predictions" / "more.npz"), "neither a file nor a folder"),
    "a path in the ledger": (
        edit("ledger.json", lambda x: x["files"].update({"../../x": {"sha256": "0" * 64, "bytes": 1}})),  # type: ignore[attr-defined]
        "ledger.json is damaged",
    ),
    "choices that are none": (edit("config.json", lambda c: c.update(choices={"x": 1})), "setting x"),
    "events of another kind": (log(lambda e: e[0].update(digest=["?"])), "event 'started': digest: Input should be a valid string"),
    "sessions of another kind": (edit("manifest.json", lambda m: m.update(sessions=3)), "not in its form"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_strangers_folder_is_named_and_does_no_harm(
    name: str, honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    harm, words = HOSTILE[name]
    path = tmp_path / honest.name
    shutil.copytree(honest, path)
    harm(path)
    if name not in ("a path in the ledger", "a pipe", "a terabyte") and "link" not in name:
        write_ledger(path)
    code = cl_bench(monkeypatch, "verify", str(path))
    said = capsys.readouterr()
    assert code == (0 if name == "choices that are none" else 1) and not said.err
    assert words in said.out


def test_no_code_of_a_run_is_executed(honest: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "evil.py"
    plugin.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    path = tmp_path / honest.name
    shutil.copytree(honest, path)
    edit("config.json", lambda c: c["choices"].update(plugin=str(plugin)))(path)  # type: ignore[attr-defined]
    assert verdicts(path)["settings"] == "not checkable here"
    assert not (tmp_path / "executed").exists()


def test_what_is_not_here_is_not_checkable(tmp_path: Path) -> None:
    path = write_run(tmp_path, backbone=Backbone(name="hf-hub:somebody/model", weights="x"))
    found = verdicts(path)
    assert found["suite"] == found["backbone"] == "not checkable here"
    old = verdicts(write_run(tmp_path, seed=1, sealed=False))
    assert old["ledger"] == "not checkable here" and old["accuracies"] == "proven"
