"""Suite, method and user merged, once: the user's settings go before the method's, these before the suite's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cl_bench.benchmark.classified_over import LABELS_OF
from cl_bench.benchmark.config import Protocol, Recipe
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.records.secrets import names_a_secret
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import OPTIONS, Choices, Preset, option_name, validated
from cl_bench.experiment.spellings import option_meant, setting_meant

if TYPE_CHECKING:
    from cl_bench.benchmark.method_config import MethodConfig
    from cl_bench.methods.catalog import MethodEntry

BUDGET_KEYS = ("batch_size", "epochs", "steps")
PROTOCOL_KEYS = ("prompts", "augment")
FEWER_IMAGES = {  # choices under which not all images are trained on
    "shots": "few-shot",
    "imbalance": "long-tailed",
    "task_imbalance": "long-tailed",
}
FEDERATED = ("clients", "rounds", "client_alpha")  # what shares images among clients


@dataclass(frozen=True)
class Merged:
    """Everything that settings decide.

    Attributes:
        preset: ``custom`` where budget, protocol or precision of ``paper`` were changed by hand.
        method: the method's hyper-parameters.
        recipe: optimizer and schedule.
        budget: how long to train.
        protocol: what is trained on and how it is evaluated, in the planned precision.
    """

    preset: Literal["paper", "fair", "custom"]
    method: MethodConfig
    recipe: Recipe
    budget: BudgetRule
    protocol: Protocol


def merge(
    choices: Choices, settings: Mapping[str, Any], entry: MethodEntry, suite: Suite
) -> Merged:
    """Merge what suite, method and user say.

    Args:
        choices: what was asked for.
        settings: its overrides, parsed.
        entry: the method and its published settings.
        suite: on the run's backbone; it stays as it is.

    Raises:
        UserError: a setting is unknown or a value is impossible.
    """
    given = _by_table(settings, entry)
    few_shot = (choices.shots or suite.protocol.shots) is not None
    preset = _preset(choices, suite)
    published = {table: entry.defaults(table, preset, suite.settings_name) for table in given}
    protocol = suite.protocol.model_dump() | _chosen(choices)
    protocol |= published["protocol"] | given["protocol"]
    planned = protocol["precision"]
    protocol["precision"] = choices.precision or planned
    by_hand = bool(given["budget"] or given["protocol"]) or protocol["precision"] != planned
    return Merged(
        preset="custom" if preset == "paper" and by_hand else preset,
        method=validated(lambda: entry.Config(**(published["config"] | given["config"]))),
        recipe=_recipe(published["recipe"], given["recipe"], suite),
        budget=_budget(suite.budget, published["budget"], given["budget"], few_shot),
        protocol=validated(lambda: Protocol(**protocol)),
    )


def _preset(choices: Choices, suite: Suite) -> Preset:
    """No budget is published for fewer images than there are."""
    fewer = {name: getattr(choices, name) or getattr(suite.protocol, name) for name in FEWER_IMAGES}
    asked = next((name for name, value in fewer.items() if value is not None), None)
    preset = choices.preset or ("fair" if asked else suite.preset)
    if asked and preset == "paper":
        raise UserError(
            f"--preset paper has no {FEWER_IMAGES[asked]} budgets; use --preset fair with "
            f"--{option_name(asked)}"
        )
    return preset


def _by_table(given: Mapping[str, Any], entry: MethodEntry) -> dict[str, dict[str, Any]]:
    """Hand every setting to the one table that knows its key."""
    tables: dict[str, tuple[str, ...]] = {
        "config": tuple(entry.Config.model_fields),
        "recipe": tuple(Recipe.model_fields),
        "budget": BUDGET_KEYS,
        "protocol": PROTOCOL_KEYS,
    }
    sorted_out: dict[str, dict[str, Any]] = {table: {} for table in tables}
    for key, value in given.items():
        table = next((name for name, keys in tables.items() if key in keys), None)
        if table is None:
            known = [key for keys in tables.values() for key in keys]
            raise unknown(f"setting of {entry.name}", key, known, _meant(key, known))
        if isinstance(value, str) and names_a_secret(key):
            raise UserError(
                f"the setting {key!r} is called like a secret, and settings are written into the run's "
                "directory and reports: let the plug-in read it from an environment variable"
            )
        sorted_out[table][key] = value
    return sorted_out


def _meant(key: str, known: Collection[str]) -> str | None:
    """What to write for a setting that others call ``key``, or that is an option here."""
    setting = setting_meant(key)
    if setting in known:
        return f"--set {setting}=VALUE"
    option = key.replace("_", "-")
    return f"--{option}" if option in map(option_name, OPTIONS) else option_meant(key)


def _recipe(published: dict[str, Any], given: Mapping[str, Any], suite: Suite) -> Recipe:
    """A rate that was typed is the rate of every task but those whose own was typed, too."""
    per_task = {} if "lr" in given else suite.by_task(published.get("lr_per_task", {}))
    recipe = validated(lambda: Recipe(**{**published, "lr_per_task": per_task, **given}))
    if "lr_per_task" not in given:
        return recipe
    named = {suite.task(name).name: lr for name, lr in recipe.lr_per_task.items()}
    return recipe.model_copy(update={"lr_per_task": named})


def _budget(
    of_suite: BudgetRule, published: Mapping[str, Any], given: Mapping[str, Any], few_shot: bool
) -> BudgetRule:
    def changed() -> BudgetRule:
        rule = of_suite.changed(published)
        for key, value in given.items():  # of steps and epochs the one that was typed last counts
            rule = rule.changed({key: value})
        if few_shot and not {"steps", "epochs"} & given.keys():
            rule = rule.changed({"steps": rule.few_shot_steps})
        return rule

    return validated(changed)


def _chosen(choices: Choices) -> dict[str, Any]:
    """What options of their own say about the protocol."""
    labels = LABELS_OF[choices.protocol] if choices.protocol else None
    broken = "skip" if choices.skip_broken else None
    said = {
        "labels": labels,
        "namesakes": choices.namesakes,
        **{name: getattr(choices, name) for name in (*FEWER_IMAGES, *FEDERATED)},
        "broken": broken,
    }
    return {key: value for key, value in said.items() if value is not None}
