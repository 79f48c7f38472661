"""Jobs of a SLURM sweep outlive who submitted them, and are found again. SLURM's commands are stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import submitit

from cl_bench.cli.sweep import slurm
from cl_bench.cli.sweep.job import Job

SBATCH = """#!/bin/sh
n=$(cat {0}/count 2>/dev/null || echo 100); n=$((n + 1)); echo $n > {0}/count
grep -o 'array=[0-9-]*' "$1" > {0}/submitted-$n
echo "Submitted batch job $n"
"""
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"; cat {0}/states 2>/dev/null
"""
SCANCEL = """#!/bin/sh
echo "$1" >> {0}/cancelled
"""


class LostError(Exception):
    """Stands for the end of the machine that submitted."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where the stand-ins note what they were told; ``states`` is what sacct says."""
    folder = tmp_path / "cluster"
    (folder / "bin").mkdir(parents=True)
    for name, text in {
        "sbatch": SBATCH,
        "sacct": SACCT,
        "scancel": SCANCEL,
        "srun": "#!/bin/sh\n",
    }.items():
        (folder / "bin" / name).write_text(text.format(folder))
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "POLL", 0.05)
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 0)  # no result will come
    watcher = submitit.SlurmJob.watcher
    monkeypatch.setattr(watcher, "_delay_s", 0.01)
    watcher.clear()
    monkeypatch.setattr(watcher, "_registered", set())
    return folder


def job(name: str, folder: Path) -> Job:
    return Job(name, ("--version",), folder / f"{name}.log", folder)


def states(cluster: Path, **of: str) -> None:
    (cluster / "states").write_text("".join(f"{n[1:]}|{state}|node\n" for n, state in of.items()))


def submit_and_be_lost(jobs: list[Job], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise LostError

    with monkeypatch.context() as patch:
        patch.setattr(submitit.helpers, "as_completed", lost)
        with pytest.raises(LostError):
            slurm.launch(jobs, folder, {}, lambda job, well: None)


def test_what_still_runs_is_waited_for_and_the_rest_submitted_again(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(name, tmp_path) for name in "abcd"]
    folder = tmp_path / "slurm"
    submit_and_be_lost(jobs[:3], folder, monkeypatch)
    known = json.loads((folder / slurm.KNOWN).read_text())
    assert known == {"a": "101_0", "b": "101_1", "c": "101_2"}
    states(cluster, _101_0="RUNNING", _101_1="FAILED", _101_2="PENDING")
    # c is cancelled while it waits; a result that somebody left for a is not unpickled
    (folder / "101_0_0_result.pkl").write_bytes(b"cos\\nsystem\\n(S'touch evil'\\ntR.")
    heard: list[tuple[str, bool]] = []

    def ended(job: Job, well: bool) -> None:
        heard.append((job.name, well))

    really = submitit.helpers.as_completed

    def then(tasks: list[submitit.Job[bool]], **more: float) -> object:
        assert sorted(task.job_id for task in tasks) == ["101_0", "101_2", "102_0", "102_1"]
        states(
            cluster, _101_0="COMPLETED", _101_2="CANCELLED by 0", _102_0="FAILED", _102_1="FAILED"
        )
        return really(tasks, **more)

    monkeypatch.setattr(submitit.helpers, "as_completed", then)
    slurm.launch(jobs, folder, {}, ended)
    assert (cluster / "submitted-102").read_text().startswith("array=0-1"), "b and d"
    assert not (cluster / "submitted-103").exists()
    assert sorted(heard) == [("a", True), ("b", False), ("c", False), ("d", False)]
    assert not Path("evil").exists()


def test_a_job_that_slurm_has_forgotten_is_submitted_again(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job("a", tmp_path)]
    submit_and_be_lost(jobs, tmp_path / "slurm", monkeypatch)
    submit_and_be_lost(jobs, tmp_path / "slurm", monkeypatch)
    assert (cluster / "submitted-102").exists()


def test_an_interrupt_cancels_what_was_found_too(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(name, tmp_path) for name in "ab"]
    submit_and_be_lost(jobs, tmp_path / "slurm", monkeypatch)
    states(cluster, _101_0="RUNNING", _101_1="RUNNING")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(submitit.helpers, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        slurm.launch(jobs, tmp_path / "slurm", {}, lambda job, well: None)
    assert (cluster / "cancelled").read_text().split() == ["101_0", "101_1"]
    assert not (cluster / "submitted-102").exists(), "nothing was submitted twice"
