"""What can be set of a method, and what it uses besides the current task's training images. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Need = Literal["reference images", "reference texts", "selector", "earlier images", "all tasks"]


class MethodConfig(BaseModel):
    """A method's hyper-parameters; subclass it to add some. Values are validated, names checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def needs(self) -> tuple[Need, ...]:
        """What the method uses besides the current task's training images."""
        return ()

    def caveats(self) -> tuple[str, ...]:
        """What a reader of the results must be told, one line each."""
        return ()
