"""Names as reports show them."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.record import ZERO_SHOT


def short_names(names: Sequence[str]) -> list[str]:
    """Leave out a prefix up to the first hyphen that all names share (``mini-``), unless numbers alone would stay."""
    prefix, hyphen, _ = names[0].partition("-")
    shared = prefix + hyphen
    rests = [name.removeprefix(shared) for name in names]
    shares = len(names) > 1 and hyphen and all(name.startswith(shared) for name in names)
    return rests if shares and not all(rest.isdecimal() for rest in rests) else list(names)


def clip(name: str, width: int) -> str:
    """``name`` in at most ``width`` characters, an ellipsis for what was cut off."""
    return name if len(name) <= width else name[: width - 1] + "…"


def one_line(text: str) -> str:
    """``text`` with every run of white space as one space: a line break would end a table row."""
    return " ".join(text.split())


def suite_in_words(config: RunConfig) -> str:
    """The suite's name and what it is."""
    name, about = config.suite.name, one_line(config.suite.about)
    return about if about.lower().startswith(name.lower()) else f"{name}: {about}"


def circumstances(config: RunConfig) -> str:
    """What the accuracies depend on besides the method, in one line."""
    return (
        f"suite digest {config.suite.digest}, order {config.order}, "
        f"{counted_tasks(config)}, {config.backbone.name} "
        f"({config.backbone.weights}), preset {config.preset}, {label_space(config)}"
        f"{', ' if asks(config) else ''}{asks(config)}"
    )


def counted_tasks(config: RunConfig) -> str:
    """``11 tasks``."""
    count = len(config.tasks)
    return f"{count} {'task' if count == 1 else 'tasks'}"


def label_space(config: RunConfig) -> str:
    """Which classes a test image is classified over: published rows differ by exactly this."""
    return {
        "own": "over the classes of an image's own task (MTIL)",
        "seen": "over the classes of all tasks learned so far",
        "all": "over the classes of all tasks (X-TAIL)",
    }[config.protocol.labels]


def first_row(config: RunConfig) -> str:
    """What the accuracies before anything is learned in a run are called: zero-shot is the backbone's alone.

    Over the classes learned so far they are no reference for later rows, whose images have more classes to choose from.
    """
    name = ZERO_SHOT if config.start is None else "at the start"
    return f"{name}, own classes" if config.protocol.labels == "seen" else name


def asks(config: RunConfig) -> str:
    """Where a run asks another question than MTIL does, label space apart; empty where it does not."""
    p = config.protocol
    said = {
        "classes of one name as one": p.namesakes == "one",
        f"held out: {', '.join(config.held_out)}": config.held_out,
        f"retrieval: {', '.join(config.retrieval)}": config.retrieval,
        f"{p.shots} training images a class": p.shots,
        f"classes imbalanced {p.imbalance or 0:g} : 1": p.imbalance,
        f"tasks imbalanced {p.task_imbalance or 0:g} : 1": p.task_imbalance,
        f"{p.clients} clients of Dirichlet {p.client_alpha or 0:g}, averaged {p.rounds} times a task": p.clients,
        "unreadable images left out": p.broken == "skip",
        f"begun with the state of {config.start and config.start.in_words}": config.start,
    }
    return ", ".join(words for words, is_so in said.items() if is_so)


def beyond_mtil(config: RunConfig) -> tuple[str, ...]:
    """Label space and what else a run asks, one line each; nothing of a run that asks what MTIL does."""
    space = label_space(config) if config.protocol.labels != "own" else ""
    return tuple(words for words in (space, asks(config)) if words)


def protocol(config: RunConfig) -> str:
    """Prompts, augmentation, budget and precision, in one line."""
    prompts = "first prompt" if config.protocol.prompts == "first" else "ensemble of prompts"
    crops = "no augmentation" if config.protocol.augment == "none" else "random resized crops"
    amounts = (
        config.passes or config.budget.steps
    ).values()  # of steps each seed has its own number
    fewest, most = min(amounts), max(amounts)
    amount = f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}"
    batch = config.budget.batch_size
    length = (
        f"passes over a task's images, {batch} a step,"
        if config.passes
        else f"steps of {batch} images a task,"
    )
    return f"{prompts}, {crops}, {amount} {length} {config.protocol.precision}"
