"""No file that somebody else may have made runs code: by what the sources call, and by trying."""

from __future__ import annotations

import ast
import io
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from answered import answer
from changed_records import FINISHED, KILLED
from mtil_fixtures import make_mtil
from PIL import Image

import cl_bench
from cl_bench.benchmark.checkpoint import count_finite, load_checkpoint
from cl_bench.benchmark.record import read_config, read_json, read_run
from cl_bench.benchmark.records.arrays_file import read_arrays
from cl_bench.benchmark.records.ledger import read_ledger
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.benchmark.records.matrix_file import read_matrix
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.datasets.extra import selectors
from cl_bench.datasets.extra.captions_file import read_captions
from cl_bench.datasets.images import remembered
from cl_bench.datasets.images.decode import open_original
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mtil.readers import read
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.pretrained.weight_file import read_weights
from cl_bench.experiment.config_file import read_config_file

ROOT = Path(cl_bench.__file__).parent
# Both build plain values: every class that a pickle may name has a stand-in here.
OWN_UNPICKLERS = {"datasets/mtil/pickled_arrays.py", "datasets/pretrained/torchscript_file.py"}
MODULES = {
    "pickle",
    "marshal",
    "shelve",
    "dill",
    "joblib",
    "cloudpickle",
    "_pickle",
    "torch.package",
}
UNSAFE = {
    "eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.full_load", "yaml.unsafe_load",
    "pd.read_pickle", "pandas.read_pickle", "torch.jit.load", "torch.hub.load", "runpy.run_path",
}  # fmt: skip


def sources() -> Iterator[tuple[str, str]]:
    """Every source of the product by its path below the package, whose parts are links."""
    for part in ("benchmark", "datasets", "methods", "reports", "cli", "api", "experiment"):
        folder = (ROOT / part).resolve()
        for file in sorted(folder.rglob("*.py")):
            yield f"{part}/{file.relative_to(folder).as_posix()}", file.read_text()


def unsafe(text: str, name: str = "") -> list[str]:
    """What in a source could run code of a file, in words."""
    words = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and name not in OWN_UNPICKLERS:
            words += [f"import {n.name}" for n in node.names if n.name in MODULES]
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            words += [f"from {node.module}" for n in node.names if n.name != "UnpicklingError"]
        if isinstance(node, ast.Call):
            words += _unsafe_call(node)
        if isinstance(node, ast.ClassDef) and any(
            "Unpickler" in ast.unparse(b) for b in node.bases
        ):
            own = {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
            words += [] if "find_class" in own else [f"{node.name} names any class"]
    return words


def _unsafe_call(call: ast.Call) -> list[str]:
    called = ast.unparse(call.func)
    said = {k.arg: ast.unparse(k.value) for k in call.keywords}
    if called.endswith("torch.load") and said.get("weights_only") != "True":
        return [f"{called} without weights_only=True"]
    if called in ("np.load", "numpy.load") and said.get("allow_pickle") != "False":
        return [f"{called} without allow_pickle=False"]
    if called in UNSAFE or called.startswith(("pickle.load", "marshal.load", "pickle.Unpickler")):
        return [called]
    if said.get("shell") == "True":
        return [f"{called} through a shell"]
    if called.endswith("extractall") and "tar" in called and said.get("filter") != "'data'":
        return [f"{called} without filter='data'"]
    return []


def test_no_source_reads_what_can_run_code() -> None:
    texts = dict(sources())
    assert len(texts) > 200 and texts.keys() >= OWN_UNPICKLERS
    found = {name: words for name, text in texts.items() if (words := unsafe(text, name))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "import dill", "from pickle import load", "pickle.loads(b)", "torch.load(f)",
        "torch.load(f, weights_only=False)", "torch.load(f, weights_only=x)", "np.load(f)",
        "np.load(f, allow_pickle=True)", "yaml.load(t)", "torch.jit.load(f)", "eval(t)", "exec(t)",
        "subprocess.run(c, shell=True)", "tarred.extractall(t)", "class A(pickle.Unpickler): pass",
        "pd.read_pickle(f)", "os.system(c)",
    ],
)  # fmt: skip
def test_the_look_at_the_sources_can_tell(text: str) -> None:
    assert unsafe(text)


class Code:
    """Pickles into a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def payloads(trace: Path) -> dict[str, bytes]:
    """Files that run code where they are trusted."""
    held, npy, npz = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"w": Code(trace)}, held)
    objects = np.array([Code(trace)], dtype=object)
    np.save(npy, objects, allow_pickle=True)
    np.savez(npz, **{"after": objects, "toy-a": objects})
    return {
        "a pickle": pickle.dumps({"data": Code(trace)}, 2),
        "a newer pickle": pickle.dumps(Code(trace)),
        "a pickle of text": pickle.dumps(Code(trace), 0),
        "a file of torch": held.getvalue(),
        "an array of objects": npy.getvalue(),
        "arrays of objects": npz.getvalue(),
        "YAML with code": f"!!python/object/apply:pathlib.Path.touch [{trace}]\n".encode(),
    }


def in_run(
    name: str, reader: Callable[[Path], object], run: Path = FINISHED
) -> Callable[[Path], object]:
    """A reader of a run, one of whose files is the given one."""

    def tried(file: Path) -> object:
        copy = file.parent / "run"
        shutil.copytree(run, copy)
        shutil.copy(file, copy / name)
        return reader(copy)

    return tried


def _memory(file: Path) -> object:
    """What is remembered of the folder of images, replaced."""
    place = remembered._place(str(file.parent), "bytes")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, place)
    return remembered.recall(str(file.parent))


def _cache(suffix: str) -> Callable[[Path], object]:
    def tried(file: Path) -> object:
        image = file.parent / "image.png"
        Image.new("RGB", (8, 8)).save(image)
        store, listing = (
            Store(file.parent / "cache"),
            Listing((image,), np.zeros(1, np.int64), ("a",)),
        )
        store.images("toy", listing, 8)
        (kept,) = (file.parent / "cache").glob(f"*{suffix}")
        shutil.copy(file, kept)
        return store.images("toy", listing, 8)

    return tried


def _suffixed(suffix: str, reader: Callable[[Path], object]) -> Callable[[Path], object]:
    def tried(file: Path) -> object:
        return reader(Path(shutil.copy(file, file.with_suffix(suffix))))

    return tried


READERS: dict[str, Callable[[Path], object]] = {
    "weights": read_weights, "weights .safetensors": _suffixed(".safetensors", read_weights),
    "selector weights": lambda f: selectors.alexnet(f, "cpu"),
    "selector weights .safetensors": _suffixed(".safetensors", lambda f: selectors.alexnet(f, "cpu")),
    "checkpoint": load_checkpoint, "checkpoint's numbers": count_finite, "arrays": read_arrays,
    "predictions": in_run("predictions/after-01.npz", lambda r: read_run(r).predictions(1), KILLED),
    "targets": in_run("predictions/targets.npz", lambda r: read_run(r).targets(), KILLED),
    "config": in_run("config.json", read_config), "manifest": in_run("manifest.json", read_manifest),
    "matrix": in_run("matrix.csv", lambda r: read_matrix(r / "matrix.csv")),
    "log": in_run("events.jsonl", lambda r: read_log(r / "events.jsonl")),
    "ledger": in_run("ledger.json", read_ledger), "whole run": in_run("matrix.json", read_run),
    "JSON": read_json, "digests": _memory, "cache": _cache(".pixels"), "cache's note": _cache(".json"),
    "image": open_original, "suite": read_suite, "config file": read_config_file,
    "list": lambda f: read_image_list(f, 0.2, 0), "list .csv": _suffixed(".csv", lambda f: read_image_list(f, 0.2, 0)),
    **{f"captions {s}": _suffixed(s, read_captions) for s in (".txt", ".tsv", ".csv", ".json", ".jsonl")},
}  # fmt: skip
HARMLESS = ("digests", "captions .txt")  # not used where it is damaged; lines are only text
NAMES = tuple(payloads(Path("trace")))


@pytest.mark.parametrize("payload", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_a_strangers_file_runs_nothing(
    reader: str, payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "memory"))
    monkeypatch.setattr(selectors, "build_alexnet", lambda weights: torch.nn.Linear(1, 1))  # small
    trace, file = tmp_path / "trace", tmp_path / "file"
    file.write_bytes(payloads(trace)[payload])
    refused = answer(lambda: READERS[reader](file))
    assert refused or reader in HARMLESS, "it was taken for what it is not"
    assert not trace.exists()


def test_the_payloads_would_run(tmp_path: Path) -> None:
    for name, content in payloads(tmp_path / "trace").items():
        (tmp_path / "file").write_bytes(content)
        if "pickle" in name:
            pickle.loads(content)
        elif "torch" in name:
            torch.load(tmp_path / "file", weights_only=False)
        elif "objects" in name:
            loaded = np.load(tmp_path / "file", allow_pickle=True)
            _ = loaded["after"] if hasattr(loaded, "files") else loaded
        else:
            continue
        assert (tmp_path / "trace").exists(), name
        (tmp_path / "trace").unlink()


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root, classes=2, train_per_class=1)
    return root


@pytest.mark.parametrize(
    "dataset",
    ["Aircraft", "Caltech101", "CIFAR100", "DTD", "EuroSAT", "Flowers", "Food", "MNIST", "OxfordPet",
     "StanfordCars", "SUN397"],
)  # fmt: skip
def test_no_list_of_mtil_runs_anything(
    dataset: str, look_alikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of the data set that is no image is replaced in turn."""
    from mtil_fixtures import copy_one

    trace = tmp_path / "trace"
    copy_one(dataset, look_alikes, tmp_path / "root")
    lists = [
        p for p in (tmp_path / "root").rglob("*")
        if p.is_file() and p.suffix.lower() not in (".jpg", ".jpeg", ".png")
    ]  # fmt: skip
    for file in lists:
        whole = file.read_bytes()
        for name, content in payloads(trace).items():
            file.write_bytes(content)
            for split in ("train", "test"):
                answer(lambda s=split: read(dataset, tmp_path / "root", s))  # type: ignore[misc]
            assert not trace.exists(), (file, name)
        file.write_bytes(whole)
    assert lists or dataset in ("Caltech101", "EuroSAT", "SUN397"), "there was something to try"
