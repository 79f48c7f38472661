"""A folder's own test images: held out by class, for a seed, and named by paths from any root."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.folders import Files, fingerprint, split

CLASSES = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(2, 30), min_size=2)


def files_of(sizes: dict[str, int]) -> dict[str, list[Path]]:
    return {
        name: [Path(f"/data/{name}/{i:03d}.png") for i in range(n)] for name, n in sizes.items()
    }


@given(CLASSES, st.floats(0.05, 0.5), st.integers(0, 99))
def test_every_class_is_split_and_no_image_is_on_both_sides(
    sizes: dict[str, int], share: float, seed: int
) -> None:
    classes = files_of(sizes)
    found = split(classes, share, seed)
    assert found.classes == tuple(classes) and found.drawn
    for name, train, test in zip(found.classes, found.train, found.test, strict=True):
        assert sorted(train + test) == classes[name] and not set(train) & set(test)
        assert len(test) == max(1, round(share * sizes[name])) and train
        assert train == sorted(train) and test == sorted(test)


@given(CLASSES, st.integers(0, 99))
def test_a_class_is_split_the_same_whatever_other_classes_there_are(
    sizes: dict[str, int], seed: int
) -> None:
    found = split(files_of(sizes), 0.3, seed)
    with_another = split(files_of(sizes | {"zzz": 9}), 0.3, seed)
    assert with_another.test[: len(sizes)] == found.test


def test_the_seed_decides() -> None:
    classes = files_of({"a": 40, "b": 40})
    assert split(classes, 0.3, 0) == split(classes, 0.3, 0) != split(classes, 0.3, 1)
    assert split(classes, 0.3, 0).test[0] != [Path(str(p).replace("/b/", "/a/")) for p in split(classes, 0.3, 0).test[1]]  # fmt: skip


@pytest.mark.parametrize(("count", "share"), [(1, 0.2), (2, 0.9), (3, 0.85)])
def test_a_class_that_would_have_no_training_image_is_named(count: int, share: float) -> None:
    with pytest.raises(UserError, match=r"class b has too few images .*/data/b/000\.png"):
        split(files_of({"a": 50, "b": count}), share, 0)


def made(*paths: str) -> Files:
    return Files(("a",), ([Path(p) for p in paths],), ([Path("/data/x/t.png")],))


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/data/x/a/1.png", "/data/x", "a/1.png"),
        ("/data/x/a/1.png", "/data", "x/a/1.png"),
        ("/data/x/a/1.png", "/data/y", "../x/a/1.png"),
        ("/other/1.png", "/data/x", "../../other/1.png"),
        ("/data/x/1.png", "/data/x/a", "../1.png"),
        ("/data/x/./a/../1.png", "/data/x", "1.png"),
        ("/data/with space/é.png", "/data", "with space/é.png"),
    ],
)
def test_paths_are_seen_from_the_root(path: str, root: str, expected: str) -> None:
    train, test = made(path).below(Path(root))
    assert train == ((expected, 0),)
    assert test[0][1] == 0


SEGMENT = st.text("abc é.", min_size=1, max_size=4).filter(lambda s: s.strip(".") == s)


@given(st.lists(SEGMENT, min_size=1, max_size=5), st.lists(SEGMENT, max_size=5))
def test_a_path_from_the_root_leads_back_to_the_file(parts: list[str], root: list[str]) -> None:
    path, base = Path("/", *parts), Path("/", *root)
    ((found, _),), _ = made(str(path)).below(base)
    assert Path(base, found).resolve() == path.resolve()
    assert not found.startswith("/")


def test_a_fingerprint_changes_with_path_class_content_order_and_side() -> None:
    entries, digests = (("a/1.png", 0), ("b/1.png", 1)), ("d1", "d2")
    one = fingerprint((entries, ()), (digests, ()))
    others = [
        fingerprint((entries[::-1], ()), (digests[::-1], ())),
        fingerprint(((("a/2.png", 0), entries[1]), ()), (digests, ())),
        fingerprint(((("a/1.png", 1), entries[1]), ()), (digests, ())),
        fingerprint((entries, ()), (("d1", "d3"), ())),
        fingerprint(((), entries), ((), digests)),
        fingerprint((entries[:1], entries[1:]), (digests[:1], digests[1:])),
    ]
    assert len({one, *others}) == 7
    assert one == fingerprint((entries, ()), (digests, ())) and len(one) == 64
