"""What can be set of a method, and what it uses besides the current task's training images. No torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Need = Literal["reference images", "reference texts", "selector", "earlier images", "all tasks"]


class MethodConfig(BaseModel):
    """A method's hyper-parameters; subclass it to add some. Values are validated, names checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    repeats: ClassVar[tuple[str, ...]] = ()
    """Settings that say how often something is done over before or after training, with a cost in
    proportion: an estimate of a run's time does it a few times."""

    def needs(self) -> tuple[Need, ...]:
        """What the method uses besides the current task's training images."""
        return ()

    def caveats(self) -> tuple[str, ...]:
        """What a reader of the results must be told, one line each."""
        return ()
