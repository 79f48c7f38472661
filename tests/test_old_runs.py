"""Runs made before a setting changed its name: shown as they are, never continued as something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import cl_bench
from small_run import small_plan
from written_run import write_run

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.experiment.again import resolve_again
from cl_bench.experiment.changed import differences


def with_one_share_for_both_towers(config: RunConfig) -> RunConfig:
    """The configuration as it was when `feature_share` served both towers."""
    settings = dict(config.method_settings)
    del settings["vision_feature_share"], settings["text_feature_share"]
    return config.model_copy(update={"method_settings": settings | {"feature_share": 0.99}})


def test_an_unfinished_run_with_the_single_feature_share_names_what_changed(
    tmp_path: Path,
) -> None:
    old = with_one_share_for_both_towers(small_plan("keeplora").config)
    with pytest.raises(UserError) as refused:
        resolve_again(old, tmp_path, {})
    assert str(refused.value).startswith(
        "the run cannot be continued: its method_settings (feature_share (gone), "
        "text_feature_share (new), vision_feature_share (new)) would not be what it began with."
    )
    typed = old.choices | {"overrides": ["steps=8", "feature_share=0.9"]}
    with pytest.raises(UserError, match=r"cannot be continued: unknown setting.*'feature_share'"):
        resolve_again(old.model_copy(update={"choices": typed}), tmp_path, {})


def test_a_finished_run_with_the_single_feature_share_is_still_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path, "keeplora", method_settings={"rank": 16, "feature_share": 0.99})
    assert cl_bench(monkeypatch, "show", str(run)) == 0
    assert "keeplora" in capsys.readouterr().out


def test_differences_name_what_parts_two_configurations() -> None:
    began = {"a": 1, "b": [1], "c": {"x": 1, "y": 2}, "d": 0, "same": 3}
    now = {"a": 2, "b": [2], "c": {"x": 1, "y": 3}, "e": 0, "same": 3}
    assert differences(began, now) == ["a 1 -> 2", "b", "c (y 2 -> 3)", "d (gone)", "e (new)"]
