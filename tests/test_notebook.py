"""The notebook in examples/ runs from top to bottom, and its cells hold what its words say."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from cl_bench.api.runs import load

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_run.ipynb"


@pytest.mark.filterwarnings("default")  # of the notebook's client
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1] / "src"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without results"
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    runs = load(tmp_path / "runs")
    assert sorted(run.config.method for run in runs) == ["keeplora", "lora"]
    shown = {cell["id"]: cell.get("outputs", []) for cell in notebook.cells}
    assert "image/png" in shown["plot"][0]["data"], "the heat map is drawn"
    table = shown["table"][0]["data"]["text/plain"]
    assert all(f"{run.metrics['last']:.1f}" in table for run in runs)
