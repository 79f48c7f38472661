"""No key, token or password is written down, whichever way it was given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import cl_bench
from small_run import small_plan, small_run
from test_sinks import no_wandb_settings, stored
from wandb_file import records

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.secrets import HIDDEN, without_secrets
from cl_bench.reports.report import write_report
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.sinks.sink import replay
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink

alone = pytest.fixture(autouse=True)(no_wandb_settings.__wrapped__)  # type: ignore[attr-defined]
S = "f00dFACE0123456789abcdef"  # the secret

COMMANDS = (
    ("train.py", "--api-key", S), ("train.py", f"--api-key={S}"), ("train.py", "--token", S),
    ("train.py", "--hf-token", S), ("train.py", "--password", S), ("train.py", f"--wandb_api_key={S}"),
    ("cl-bench", "run", "--set", f"api_key={S}"), ("cl-bench", "run", "--set", f"client_secret={S}"),
    ("cl-bench", "run", f"--set=access_token={S}"), ("x", f"WANDB_API_KEY={S}"), ("x", f"apikey: {S}"),
    ("x", f"https://{S}@git.example/a"), ("x", f"https://me:{S}@git.example/a"),
    ("x", f"https://{S}:x-oauth-basic@git.example/a"), ("x", f"s3://{S}:{S}@bucket/data"),
    ("x", f"https://h.example/a?token={S}&b=1"), ("x", f"https://h.example/a?b=1&sig=1&access_key={S}"),
    ("x", f"hf_{S}"), ("x", f"ghp_{S}"), ("x", f"notes github_pat_{S} end"), ("x", f"glpat-{S}"),
    ("x", f"sk-{S}"), ("x", f"Authorization: Bearer {S}"), ("x", f"eyJhbGciOiJIUzI1NiJ9.{S}.x"),
    ("x", "--private-key", S), ("x", "--aws-secret-access-key", S), ("x", "-password", S),
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_a_secret_in_a_command_is_hidden(words: tuple[str, ...]) -> None:
    shown = without_secrets(words)
    assert S not in " ".join(shown) and HIDDEN in " ".join(shown)
    assert shown[0] == words[0] and len(shown) == len(words)


HARMLESS = (
    "cl-bench", "run", "--method", "keeplora", "--set", "lr=1e-3", "--set", "prompt_tokens=4",
    "--set", "key_ratio=0.5", "--order", "II", "--keys", "3", "--wandb-notes", "monkey=1 turkey=2",
    "https://h.example/a?b=1", "git@github.com:a/b.git", "C:/data", "a=b=c", "--tokens", "5",
)  # fmt: skip


def test_everything_else_stays_as_it_was_typed() -> None:
    assert without_secrets(HARMLESS) == HARMLESS


def test_what_the_environment_calls_a_secret_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert without_secrets((f"--notes={S}!",)) == (f"--notes={S}!",), "nobody says that it is one"
    for name in ("WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        with monkeypatch.context() as patch:
            patch.setenv(name, S)
            assert without_secrets((f"--notes={S}!",)) == (f"--notes={HIDDEN}!",), name


def test_no_file_of_a_run_or_its_report_holds_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", f"{S}{S}")
    typed = [word for words in COMMANDS for word in words]
    monkeypatch.setattr(sys, "argv", [*typed, f"{S}{S}"])
    run = small_run(small_plan("zero-shot", tasks=1), tmp_path / "runs" / "run")
    assert check_run(run.path) == [] and HIDDEN in run.manifest.first.command
    write_report([tmp_path / "runs"], tmp_path / "report")
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 10
    assert [p for p in files if S.encode() in p.read_bytes()] == []


def test_a_run_that_goes_on_hides_what_an_older_version_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from changed_records import KILLED, copied, with_manifest

    from cl_bench.benchmark.records.manifest import read_manifest, write_manifest

    run = copied(KILLED, tmp_path)
    with_manifest(run, lambda c: c["sessions"][0].update(command=["x", "--token", S]))
    write_manifest(run, read_manifest(run))
    assert S not in (run / "manifest.json").read_text()
    assert read_run(run).manifest.first.command == ("x", "--token", HIDDEN)


def test_a_setting_that_is_called_like_a_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from cl_bench.benchmark.method import Method\n"
        "from cl_bench.benchmark.method_config import MethodConfig\n"
        "class Mine(Method):\n"
        "    class Config(MethodConfig):\n"
        "        api_key: str = ''\n"
    )
    monkeypatch.chdir(tmp_path)
    line = ("--plugin", str(plugin), "--suite", "mini", "--tasks", "1", "--set", f"api_key={S}")
    assert cl_bench(monkeypatch, "run", "--method", "mine", *line) == 2
    error = capsys.readouterr().err
    assert "'api_key' is called like a secret" in error and S not in error
    assert cl_bench(monkeypatch, "sweep", "--methods", "mine", *line) == 2
    assert "'api_key' is called like a secret" in capsys.readouterr().err
    assert cl_bench(monkeypatch, "run", "--method", "lora", *line[2:]) == 2
    error = capsys.readouterr().err
    assert "unknown setting of lora 'api_key'" in error and S not in error
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(("__", "."))] == ["mine.py"]


@pytest.mark.parametrize("user", [S, f"me:{S}", f"{S}:x-oauth-basic"])
def test_wandb_is_sent_no_secret_of_a_git_remote(
    user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(small_plan("zero-shot", tasks=1), tmp_path / "run")
    work = tmp_path / "work"
    git = ("git", "-C", str(work), "-c", "user.email=a@b.c", "-c", "user.name=n")
    subprocess.run(("git", "init", "-q", str(work)), check=True)
    subprocess.run((*git, "commit", "-q", "--allow-empty", "-m", "x"), check=True)
    subprocess.run((*git, "remote", "add", "origin", f"https://{user}@h.example/a.git"), check=True)
    monkeypatch.chdir(work)
    replay(run.path, WandbSink(Place("offline", machine=True)))
    file = stored(run.path)
    remotes = {r.run.git.remote_url for r in records(file) if r.WhichOneof("record_type") == "run"}
    assert len(remotes) == 1 and "h.example/a.git" in remotes.pop()
    assert S.encode() not in file.read_bytes()


def test_wandb_is_sent_no_secret_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--api-key", S, "--rounds", "3"])
    path, complaints = tmp_path / "run", list[str]()
    with following(path, [WandbSink(Place("offline", machine=True))], complaints.append) as tell:
        small_run(small_plan("zero-shot", tasks=1), path, listen=tell)
    assert complaints == []
    content = stored(path).read_bytes()
    assert b"--rounds" in content, "the command is sent"
    assert S.encode() not in content
