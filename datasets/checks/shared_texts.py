"""Captions of retrieval sets that a method learns with as reference texts or prompts."""

from __future__ import annotations

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.retrieval import RetrievalSets


def shared_texts(retrieval: RetrievalSets, assets: Assets) -> tuple[str, ...]:
    """Say of every set how many of its captions the method may have read; short ones may be alike by chance.

    Args:
        retrieval: what is never learned.
        assets: what the method may use besides the tasks.
    """
    prompts = assets.pairs.prompts if assets.pairs is not None else ()
    read = {text.strip() for text in (*assets.texts, *prompts)}
    found = {s.name: [text for text in s.captions if text in read] for s in retrieval.sets}
    return tuple(
        f"retrieval set {name}: {len(texts)} captions are among the texts that the method uses besides the tasks, for "
        f"example {texts[0]!r}"
        for name, texts in found.items()
        if texts
    )
