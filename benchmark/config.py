"""What a run is: every setting resolved, validated and hashed. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cl_bench.benchmark.classified_over import PROTOCOL_OF, Labels, Named
from cl_bench.benchmark.truth_values import numbers_are_numbers

USUAL_MOMENTUM = 0.9
# Fields that came later, by table, with the values under which a run is what it was before: then its digest
# and the key of what may be compared lack them.
CAME_LATER: dict[str, dict[str, tuple[Any, ...]]] = {
    "": {
        "plugin": (None,),
        "held_out": ({},),
        "retrieval": ({},),
        "training_images": ({},),
        "passes": ({},),
        "start": (None,),
    },
    "recipe": {"grad_clip": (None,), "momentum": (USUAL_MOMENTUM,)},
    "protocol": {
        "namesakes": (None, "apart"), "imbalance": (None,), "task_imbalance": (None,),
        "clients": (None,), "rounds": (None,), "client_alpha": (None,),
    },
}  # fmt: skip
NOT_IN_DIGEST = (
    "device",
    "choices",
    "departures",
    "fitted_per_task",
)  # the last two follow from all else
ASKED_LATER = {  # those that are part of a question
    "held_out": "held-out data sets",
    "retrieval": "retrieval sets",
    "namesakes": "rule for classes of one name",
    "imbalance": "imbalance of classes",
    "task_imbalance": "imbalance of tasks",
    "clients": "clients",
    "rounds": "rounds of clients",
    "client_alpha": "concentration of clients' classes",
    "start": "state at the start",
}


class Settings(BaseModel):
    """Frozen, validated settings; an unknown name is an error, and so is an infinite number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Recipe(Settings):
    """How the runner optimises a method's trainable parameters."""

    _truth = numbers_are_numbers

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """``adamw`` decouples the weight decay, ``adam`` adds it to the gradient; ``sgd`` has ``momentum``."""
    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate; the maximum where the schedule varies it."""
    lr_per_task: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Tasks with a rate of their own, as published for some methods."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of every trainable parameter."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Adam's second decay rate; the first is 0.9 unless it is cycled."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = USUAL_MOMENTUM
    """Of ``sgd``; 0: each step follows its own gradient alone."""
    schedule: Literal["onecycle", "warmup_cosine", "epoch_cosine", "step_cosine", "constant"] = (
        "onecycle"
    )
    """``onecycle``: torch's OneCycleLR with its defaults, beta1 cycling 0.95-0.85-0.95 included.
    ``warmup_cosine``: linear to ``lr``, then a cosine that ends at 0 (ZSCL, MoE-Adapters).
    ``epoch_cosine``: cos(0.99 pi/2 e/(E-1)) in epoch e of E (InfLoRA).
    ``step_cosine``: step by step from ``lr`` to a thousandth of it (DIKI)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which ``warmup_cosine`` rises: 100 of 1,001 as published."""
    grad_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient of all trainable parameters together; absent: any."""

    def lr_of(self, task: str) -> float:
        """The learning rate of ``task``."""
        return self.lr_per_task.get(task, self.lr)


class Budget(Settings):
    """How long to train."""

    _truth = numbers_are_numbers

    batch_size: Annotated[int, Field(ge=1)]
    """Training images per step."""
    steps: dict[str, Annotated[int, Field(ge=1)]]
    """Optimizer steps, per task."""


class Protocol(Settings):
    """What images are trained on and how accuracies are measured."""

    _truth = numbers_are_numbers

    labels: Labels = "own"
    """Classify a test image over the classes of its own task (MTIL), over those of the tasks learned so far
    and its own (class-incremental), or over those of all tasks, learned or not (X-TAIL)."""
    namesakes: Literal["one", "apart"] | None = None
    """Among the classes of several tasks, those of one name: ``one`` class, so that an image that is taken for
    its namesake counts as right, or counted ``apart``, as X-TAIL was published. Absent: no two meet."""
    shots: Annotated[int, Field(ge=1)] | None = None
    """Train on this many images of every class, drawn anew for every seed; absent: on all."""
    imbalance: Annotated[float, Field(ge=1)] | None = None
    """Train on a long tail of every task's classes: images of the most frequent class to those of the least
    frequent one, drawn anew for every seed; absent: on all."""
    task_imbalance: Annotated[float, Field(ge=1)] | None = None
    """Train on a smaller share of some tasks' images: the most frequent task's share to that of the least
    frequent one, drawn anew for every seed; absent: on all."""
    clients: Annotated[int, Field(ge=1)] | None = None
    """Share every task's training images among this many clients, drawn anew for every seed, that train in turn
    and are averaged; absent: one learner has all."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """How often in a task what the clients trained is averaged."""
    client_alpha: Annotated[float, Field(ge=0.001, le=1_000_000)] | None = None
    """How much clients are alike: concentration of the Dirichlet distribution that each one's classes are drawn
    from; small: few classes each."""
    broken: Literal["stop", "skip"] = "stop"
    """What becomes of an image file that cannot be read; ``skip`` leaves it out."""
    prompts: Literal["first", "ensemble"] = "first"
    """Evaluate with each class's first prompt, or the normalised mean of all its prompts."""
    wording: Literal["keeplora", "zscl"] = "keeplora"
    """Whose list of prompts, where a suite has both (MTIL): the first one, which is trained with,
    differs for three data sets."""
    augment: Literal["none", "random_resized_crop"] = "none"
    """Training images as they are, or in crops of 90-100 % of the area, fresh at every draw."""
    precision: Literal["fp32", "bf16", "fp16", "tf32"] = "fp32"
    """Arithmetic of training and evaluation; 16-bit means autocast over float32 weights, ``tf32`` float32
    with factors that the GPU rounds to 10 bits."""

    @property
    def name(self) -> Named:
        """What ``--protocol`` calls it."""
        return PROTOCOL_OF[self.labels]

    @property
    def is_imbalanced(self) -> bool:
        """Whether classes or tasks were made rare."""
        return self.imbalance is not None or self.task_imbalance is not None


class Backbone(Settings):
    """Which CLIP a run starts from."""

    name: str
    """``tiny-clip`` or an open_clip model name; it tells the activation: QuickGELU where it ends in
    ``-quickgelu``, else GELU. ``-gelu`` at its end, which open_clip's names lack, says that a file's
    weights were called GELU by hand."""
    weights: str
    """A tag that open_clip knows, the path of a weight file, or ``random``."""
    sha256: str | None = None
    """Of the weight file; checked when it is loaded."""

    @property
    def is_file(self) -> bool:
        """Whether the weights are a file of the user's."""
        return self.sha256 is not None and Path(self.weights).is_absolute()

    def identity(self) -> dict[str, Any]:
        """What pins the model, wherever its weight file lies."""
        content = self.model_dump(mode="json")
        return content | {"weights": "a file"} if self.is_file else content


class SuiteId(Settings):
    """Names a suite and pins its content."""

    name: str
    about: str
    """One line in words, shown wherever results are."""
    digest: str
    """Over tasks, prompts, data and backbone: equal digests ask the same questions."""


class Start(Settings):
    """The state of another run that a run begins with, instead of the pre-trained model."""

    run: str
    """Digest of that run's configuration."""
    learned: Annotated[int, Field(ge=1)]
    """Number of its tasks that it had learned."""
    tasks: tuple[str, ...]
    """All tasks that the state has learned: those, behind those of the run that it was started from itself."""
    sha256: str
    """Of the checkpoint."""

    @property
    def in_words(self) -> str:
        """Run, place and tasks."""
        count = f"{self.learned} {'task' if self.learned == 1 else 'tasks'}"
        return f"run {self.run} after {count} (learned: {', '.join(self.tasks)})"


class RunConfig(Settings):
    """One run, resolved: ``config.json`` of its directory."""

    schema_version: Literal[2] = 2
    """Of a run directory's files."""
    suite: SuiteId
    backbone: Backbone
    protocol: Protocol
    order: str
    """``I``, ``II`` or ``custom``."""
    tasks: tuple[str, ...]
    """Task names in the order in which they are learned."""
    held_out: dict[str, str] = Field(default_factory=dict)
    """Data sets that are evaluated beside the tasks and never learned: name -> digest of its content."""
    retrieval: dict[str, str] = Field(default_factory=dict)
    """Captioned pictures that are searched beside the tasks and never learned: name -> digest of the content."""
    start: Start | None = None
    """The state of another run that it begins with; absent: the pre-trained model."""
    method: str
    preset: Literal["paper", "fair", "custom"] = "fair"
    """``paper``: the method's own published budget, prompts and augmentation. ``fair``: the suite's,
    equal for all. ``custom``: changed by hand."""
    plugin: str | None = None
    """SHA-256 of the file that defines the method, where ``--plugin`` named one."""
    method_settings: dict[str, Any]
    """The method's hyper-parameters, defaults included."""
    extra_data: dict[str, str] = Field(default_factory=dict)
    """What the method uses besides the current task's training images: need -> source, pinned."""
    caveats: tuple[str, ...] = ()
    """What a reader must know about this run's metrics, shown wherever they are."""
    departures: tuple[str, ...] = ()
    """In what the run differs from what its preset's published settings are from, shown with the caveats."""
    bound: bool = False
    """A reference that is not a continual learner: shown beside the methods, never ranked."""
    recipe: Recipe
    budget: Budget
    training_images: dict[str, int] = Field(default_factory=dict)
    """How many images of every task are trained on, files that cannot be read with them, where classes or
    tasks were made rare; else empty."""
    passes: dict[str, int] = Field(default_factory=dict)
    """Passes over these images, where the budget's steps follow from them; else empty."""
    fitted_per_task: dict[str, int] | None = None
    """Setting -> how many of the tasks have a value of their own for it; absent: not recorded."""
    seed: Annotated[int, Field(ge=0)]
    device: str
    choices: dict[str, Any] = Field(default_factory=dict)
    """What the user typed; from it a resumed run finds its suite file and plug-in again."""

    def digest(self) -> str:
        """Twelve hexadecimal digits that differ where results may differ (not with the device)."""
        content = self.model_dump(mode="json", exclude=set(NOT_IN_DIGEST))
        for table, name in self._as_before():
            del (content[table] if table else content)[name]
        return digest_of(content | {"backbone": self.backbone.identity()})

    @property
    def beware(self) -> tuple[str, ...]:
        """All that a reader of this run's metrics must know of its rules and settings."""
        return (*self.caveats, *self.departures)

    def question(self) -> dict[str, Any]:
        """What the accuracies answer, whatever the method, its rules and the seed.

        Under ``paper`` the precision belongs to the method's own rules, as its budget does.
        """
        p = self.protocol
        return {
            "suite": self.suite.name,
            "suite digest": self.suite.digest,
            "order": self.order,
            "tasks": self.tasks,
            "label space": p.labels,
            "images a class": p.shots,
            "imbalance of classes": p.imbalance,
            "imbalance of tasks": p.task_imbalance,
            "clients": p.clients,
            "rounds of clients": p.rounds,
            "concentration of clients' classes": p.client_alpha,
            "unreadable images": p.broken,
            "precision": None if self.preset == "paper" else p.precision,
            "rule for classes of one name": "one class" if p.namesakes == "one" else "apart",
            "held-out data sets": self.held_out,
            "retrieval sets": self.retrieval,
            "state at the start": self.start and f"{self.start.in_words}, {self.start.sha256}",
        }

    def comparison_key(self) -> str:
        """Equal for runs that may stand in one table: one question under the same rules."""
        rules: dict[str, Any] = {"preset": self.preset}
        if self.preset != "paper":
            protocol = self.protocol.model_dump(exclude=set(ASKED_LATER))
            rules |= {"protocol": protocol, "budget": self._rule_of_budget()}
        unasked = {ASKED_LATER.get(name) for _, name in self._as_before()}
        asked = {name: of for name, of in self.question().items() if name not in unasked}
        return json.dumps(asked | rules)

    def _as_before(self) -> Iterator[tuple[str, str]]:
        """Table and name of each field of ``CAME_LATER`` that leaves the run what it was before."""
        for table, fields in CAME_LATER.items():
            of = getattr(self, table) if table else self
            yield from (
                (table, name) for name, usual in fields.items() if getattr(of, name) in usual
            )

    def _rule_of_budget(self) -> dict[str, Any]:
        """How long is trained: where each seed has other images, in passes over them."""
        steps = {"passes": self.passes} if self.passes else {"steps": self.budget.steps}
        return {"batch_size": self.budget.batch_size, **steps}


def digest_of(value: Any) -> str:
    """The first twelve hexadecimal digits of SHA-256 over canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
