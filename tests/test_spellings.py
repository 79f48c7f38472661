"""Misspelt names: near ones are suggested, far ones are not, and what others use is translated."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import cl_bench
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.near_names import near_names
from cl_bench.cli.usage import COMMANDS
from cl_bench.datasets.catalog import BUILT_IN as SUITES
from cl_bench.experiment import spellings
from cl_bench.experiment.choices import OPTIONS, option_name
from cl_bench.experiment.config_file import read_config_file
from cl_bench.experiment.settings import settable_names
from cl_bench.methods.catalog import BUILT_IN

NAMES = {"methods": list(BUILT_IN), "settings": sorted(settable_names()), "suites": list(SUITES)}
NEAR = {
    "methods": {
        "keeplroa": "keeplora", "keep-lora": "keeplora", "KeepLoRA": "keeplora", "keplora": "keeplora",
        "keeplora_plus": "keeplora", "keeplora+++": "keeplora++", "keeplorakd": "keeplora-kd",
        "lroa": "lora", "loraa": "lora", "olora": "o-lora", "o_lora": "o-lora", "sdlora": "sd-lora",
        "inf-lora": "inflora", "infolora": "inflora", "moe": "moe-adapters", "moe_adapter": "moe-adapters",
        "zeroshot": "zero-shot", "zero_shot": "zero-shot", "zscll": "zscl", "zslc": "zscl",
        "fine-tune": "finetune", "finetuning": "finetune", "wise": "wise-ft", "wiseft": "wise-ft",
        "lwfvr": "lwf-vr", "joint-training": "joint", "individal": "individual",
    },
    "settings": {
        "rnak": "rank", "ranks": "rank", "alhpa": "alpha", "wieght_decay": "weight_decay",
        "weight-decay": "weight_decay", "batchsize": "batch_size", "batch_szie": "batch_size",
        "batch-size": "batch_size", "shedule": "schedule", "warm_up": "warmup", "optimzer": "optimizer",
        "epcohs": "epochs", "setps": "steps", "momentun": "momentum", "gradclip": "grad_clip", "label_smoothin": "label_smoothing",
        "augmnet": "augment", "orthogonal": "orthogonality", "LR": "lr", "top-k": "top_k",
        "lr_pertask": "lr_per_task", "feature_distil": "feature_distillation", "ensemble": "ensemble_every",
    },
    "suites": {"mimi": "mini", "Mini": "mini", "mlti": "mtil", "MTIL": "mtil", "xtail": "x-tail", "x_tail": "x-tail"},
}  # fmt: skip
FAR = {
    "methods": ["ewcc", "l2p", "dualprompt", "icarl", "ucir", "gem", "clip", "coop", "slca", "x", "", "--", "replay"],
    "settings": [
        "learning_rate", "drop_path", "dampening", "bs", "num_workers", "seed", "device", "x", "",
        "width", "nesterov", "image_size", "patience", "eps", "log_every",
    ],
    "suites": ["imagenet", "cifar100", "domainnet", "nope", "I", "x"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "typed"), [(k, typed) for k, of in NEAR.items() for typed in of])
def test_a_near_name_is_suggested_first(kind: str, typed: str) -> None:
    assert near_names(typed, NAMES[kind])[:1] == [NEAR[kind][typed]]


@pytest.mark.parametrize(("kind", "typed"), [(k, typed) for k, of in FAR.items() for typed in of])
def test_a_far_name_is_not_suggested(kind: str, typed: str) -> None:
    assert near_names(typed, NAMES[kind]) == []
    assert "did you mean" not in str(unknown(kind, typed, NAMES[kind]))


@given(st.sampled_from([name for names in NAMES.values() for name in names]), st.data())
def test_a_long_name_with_one_wrong_letter_is_recognised(name: str, data: st.DataObject) -> None:
    if len(name) < 5:
        return
    place = data.draw(st.integers(1, len(name) - 1))
    wrong = f"{name[:place]}q{name[place + 1 :]}"
    assert name in near_names(wrong, [name])


SETTINGS_OF_OTHERS = {
    "learning_rate": "lr", "learning-rate": "lr", "LearningRate": "lr", "base_lr": "lr",
    "batch": "batch_size", "bs": "batch_size", "wd": "weight_decay", "decay": "weight_decay",
    "num_epochs": "epochs", "n_epochs": "epochs", "iterations": "steps", "max_steps": "steps",
    "optim": "optimizer", "optimiser": "optimizer", "scheduler": "schedule", "clip_grad": "grad_clip",
    "max_grad_norm": "grad_clip", "augmentation": "augment", "lora_rank": "rank", "r": "rank",
    "lora_alpha": "alpha", "temp": "temperature",
}  # fmt: skip
OPTIONS_OF_OTHERS = {
    "--model x": "--backbone NAME:WEIGHTS", "--output x": "--out DIR", "--output-dir x": "--out DIR",
    "--output_dir x": "--out DIR", "--save-dir x": "--out DIR", "--dataset x": "--suite NAME",
    "--data x": "--data-root DIR", "--data-dir x": "--data-root DIR", "--algorithm x": "--method NAME",
    "--gpu 0": "--device cuda:N", "--fp16": "--precision fp16", "--num-tasks 3": "--tasks N",
    "--few-shot 4": "--shots N", "--lr 1": "--set lr=VALUE", "--learning-rate 1": "--set lr=VALUE",
    "--batch-size 8": "--set batch_size=VALUE", "--bs 8": "--set batch_size=VALUE",
    "--rank 8": "--set rank=VALUE", "--epochs 3": "--set epochs=VALUE",
    "--weight_decay 0": "--set weight_decay=VALUE", "--dry_run": "--dry-run",
    "--data_root x": "--data-root", "--Method x": "--method", "--metod x": "did you mean --method?",
    "--prescision x": "did you mean --precision?",
}  # fmt: skip


@pytest.mark.parametrize("typed", SETTINGS_OF_OTHERS)
def test_what_others_call_a_setting_is_translated(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method = "zscl" if SETTINGS_OF_OTHERS[typed] == "temperature" else "lora"
    assert cl_bench(monkeypatch, "run", "--method", method, "--set", f"{typed}=1") == 2
    said = capsys.readouterr().err
    assert (
        f"unknown setting of {method} {typed!r}: write --set {SETTINGS_OF_OTHERS[typed]}=VALUE"
        in said
    )
    assert "did you mean" not in said and said.count("\n") == 1


@pytest.mark.parametrize("typed", OPTIONS_OF_OTHERS)
def test_what_others_call_an_option_is_translated(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", *typed.split()) == 2
    said = capsys.readouterr().err
    assert f"cl-bench run has no option {typed.split()[0]}: " in said
    assert OPTIONS_OF_OTHERS[typed] in said and said.count("\n") == 1


def test_an_option_that_nobody_knows_gets_no_guess(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in ("--qqq", "--dampening", "--workers"):
        assert cl_bench(monkeypatch, "run", typed, "1") == 2
        assert f"has no option {typed}. " in capsys.readouterr().err


def test_a_command_that_takes_no_settings_is_not_told_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "show", "--rank", "8") == 2
    assert "show has no option --rank. " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("seed", "write --seed"), ("precision", "write --precision"), ("tasks", "write --tasks"),
        ("data_root", "write --data-root"), ("labels", "write --protocol"),
        ("model", "write --backbone"),
    ],
)  # fmt: skip
def test_an_option_behind_set_is_pointed_at(
    typed: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--set", f"{typed}=1") == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('model = "x"', "write backbone = ..."), ('output = "x"', "write out = ..."),
        ("lr = 1e-3", "write lr below a line [set]"), ("bs = 8", "write batch_size below a line [set]"),
        ('metod = "lora"', "did you mean 'method'"), ("dampening = 1", "'dampening'. Known: "),
    ],
)  # fmt: skip
def test_a_key_of_a_config_file_is_translated(line: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(line)
    with pytest.raises(UserError) as caught:
        read_config_file(file, ("out", "seeds"))
    assert words in str(caught.value)


@pytest.mark.parametrize("typed", ["train", "methods", "lists", "shwo", "dcotor"])
def test_a_command_that_is_not_there_points_to_one_that_is(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    meant = {"lists": "list", "shwo": "show", "dcotor": "doctor"}
    assert cl_bench(monkeypatch, typed) == 2
    said = capsys.readouterr().err
    assert (
        f"write cl-bench {COMMANDS[typed]}" if typed in COMMANDS else f"'{meant[typed]}'"
    ) in said


def test_every_translation_leads_to_something_that_is_there() -> None:
    options = {f"--{option_name(name)}" for name in OPTIONS} | {
        "--out", "--config", "--dry-run", "--wandb-project",
    }  # fmt: skip
    for name, meant in spellings.OPTIONS.items():
        assert meant.split()[0] in options, name
        assert f"--{name}" not in options, f"{name} is an option itself"
    for name, setting in spellings.SETTINGS.items():
        assert setting in settable_names() and name not in settable_names(), name
    for name in (*spellings.OPTIONS, *spellings.SETTINGS):
        assert name == name.lower() and name.isalnum(), f"{name} would never be found"
