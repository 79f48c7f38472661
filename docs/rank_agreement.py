"""Write docs/rank-agreement.md: does `mini` rank methods as the literature does?

`python docs/rank_agreement.py` compares the tables of mini in this folder with the published numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import permutation_test, spearmanr

from cl_bench.reports.literature.published import means

DOCS = Path(__file__).parent
PAGE = DOCS / "rank-agreement.md"
TABLES = {"I": "mini-results-order-I.md", "II": "mini-results.md"}
METRICS = ("Transfer", "Average", "Last")
ZERO_SHOT = "zero-shot"
# Rows of mini -> the published method, by its name in reports/literature/results.csv.
PUBLISHED = {
    ZERO_SHOT: "Zero-shot",
    "finetune": "Continual-FT",
    "lwf": "LwF",
    "lwf-vr": "LwF-VR",
    "wise-ft": "WiSE-FT",
    "zscl": "ZSCL",
    "moe-adapters": "MoE-Adapters",
    "keeplora (variant=released)": "KeepLoRA",
    "keeplora+": "KeepLoRA+",
    "o-lora": "O-LoRA",
    "inflora": "InfLoRA",
    "sd-lora": "SD-LoRA",
}
HEAD = """\
# Does `mini` rank methods as the literature does?

Written by `python docs/rank_agreement.py`. Spearman's rank correlation ρ between the means on `mini`
([order I](mini-results-order-I.md), [order II](mini-results.md)) and the published means on MTIL
(`cl-bench published`): all training images, ZSCL's split of the data, one number per method, its authors'
where they give it. Zero-shot is a row of every table but no method: ρ is shown without it and with it.
p is of the methods alone, two-sided, by permutation: how often a random order agrees or disagrees as much.

| order | metric | methods | ρ | p | ρ with zero-shot |
| --- | --- | --: | --: | --: | --: |
"""
TAIL = """
So few methods say little: six of them reach p < 0.05 only from ρ = 0.89 on. O-LoRA, InfLoRA and SD-LoRA are
adaptations to CLIP, here and in the published table (KeepLoRA's), and need not be the same ones.
"""


@dataclass(frozen=True)
class Pair:
    """One method in one metric: its mean on mini and the published one, in per cent."""

    method: str
    mini: float
    published: float


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    return HEAD + "".join(f"{line}\n" for line in _lines()) + TAIL


def pairs(order: str, metric: str) -> list[Pair]:
    """Every method with both numbers, zero-shot first."""
    ours = mini_means((DOCS / TABLES[order]).read_text(encoding="utf-8"), metric)
    theirs = published_means(order, metric.lower())
    return [
        Pair(name, ours[name], theirs[published])
        for name, published in PUBLISHED.items()
        if name in ours and published in theirs
    ]


def mini_means(markdown: str, metric: str) -> dict[str, float]:
    """Row -> mean, of the first table with that column."""
    rows = [
        [re.sub(r"[*]|</?u>|≈|°|±.*", "", cell).strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]
    column = rows[0].index(metric)
    of = {row[0].removesuffix(" (bound)"): row[column] for row in rows[2:]}
    return {name: float(mean) for name, mean in of.items() if mean != "-"}


def published_means(order: str, metric: str) -> dict[str, float]:
    """Published method -> mean; where several sources give one, the first: the authors' own data."""
    found: dict[str, float] = {}
    for of, values in means(order, "full"):
        if of.split == "ZSCL" and metric in values:
            found.setdefault(of.method, values[metric])
    return found


def _lines() -> Iterator[str]:
    for order in TABLES:
        for metric in METRICS:
            all_rows = pairs(order, metric)
            methods = [pair for pair in all_rows if pair.method != ZERO_SHOT]
            rho, with_zero_shot = correlation(methods), correlation(all_rows)
            cells = (order, metric, len(methods), f"{rho:.2f}", f"{p_value(methods):.3f}")
            yield f"| {' | '.join(map(str, cells))} | {with_zero_shot:.2f} |"


def correlation(rows: list[Pair]) -> float:
    """Spearman's ρ."""
    ours, theirs = zip(*((pair.mini, pair.published) for pair in rows), strict=True)
    return float(spearmanr(ours, theirs).statistic)


def p_value(rows: list[Pair]) -> float:
    """Two-sided: of all orders where there are few, else of 9,999 random ones from a fixed seed."""
    theirs = [pair.published for pair in rows]
    result = permutation_test(
        ([pair.mini for pair in rows],),
        lambda ours: spearmanr(ours, theirs).statistic,
        permutation_type="pairings",
        n_resamples=9_999,
        rng=0,
    )
    return float(result.pvalue)


if __name__ == "__main__":
    main()
