"""Matrices and task names of every kind, and the metrics from their definitions, in plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cl_bench.benchmark.matrix import AccuracyMatrix

CELLS = st.one_of(
    st.floats(0, 100),
    st.integers(0, 100).map(float),
    st.sampled_from([0.0, 100.0, 100 / 3, 5e-324]),
)
ODD_NAMES = (
    "file", "allow_pickle", "self", "zero-shot", "learned", "after", "NA", "nan", "001", "1e3", "-1", "+1",
    "..", "...", "x.npy", "x", "Ä é", "日本", "مهمة", "e\u0301", "\u0939\u093f", "I", "task 1", "True", "None",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(ODD_NAMES), min_size=1, max_size=5, unique=True).map(tuple)


@st.composite
def matrices(draw: st.DrawFn, whole: bool = False) -> AccuracyMatrix:
    """Of one to eight tasks; of a run at any moment, unless it is to be ``whole``."""
    count = draw(st.integers(1, 8))
    learned = count if whole else draw(st.integers(0, count))
    row = st.lists(CELLS, min_size=count, max_size=count).map(tuple)
    rows = draw(st.lists(row, min_size=learned + 1, max_size=learned + 1))
    return AccuracyMatrix(tuple(f"t{i}" for i in range(count)), rows[0], tuple(rows[1:]))


def by_loops(a: AccuracyMatrix) -> dict[str, float]:
    """The metrics after the last row there is, from their definitions, in loops over float64."""
    n, T = len(a.rows), len(a.tasks)
    A = np.array(a.rows, dtype=np.float64)
    found = {"zero_shot": sum(a.zero_shot) / T}
    if n == 0:
        return found
    found["average"] = sum(A[i, j] for i in range(n) for j in range(T)) / (n * T)
    found["last"] = sum(A[n - 1, j] for j in range(n)) / n
    found["learned"] = sum(A[j, j] for j in range(n)) / n
    if T > 1:
        transfers = []
        for j in range(1, T):
            before = [A[i, j] for i in range(min(j, n))]
            transfers.append(sum(before) / len(before))
        found["transfer"] = sum(transfers) / len(transfers)
        found["zero_shot_transfer"] = sum(a.zero_shot[1:]) / (T - 1)
    if n == T > 1:
        ahead = [A[j - 1, j] - a.zero_shot[j] for j in range(1, T)]
        found["forward_transfer"] = sum(ahead) / len(ahead)
    if n > 1:
        best = [max(A[i, j] for i in range(j, n - 1)) for j in range(n - 1)]
        found["forgetting"] = sum(best[j] - A[n - 1, j] for j in range(n - 1)) / (n - 1)
        found["backward_transfer"] = sum(A[n - 1, j] - A[j, j] for j in range(n - 1)) / (n - 1)
    return found
