"""Federated averaging in the small: clients train in turn, and what they trained is averaged in every round.

McMahan, Moore, Ramage, Hampson and Agüera y Arcas: Communication-efficient learning of deep networks from
decentralized data, AISTATS 2017 (arXiv 1602.05629).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.checkpoint import digest_of_state
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.optimizer import load_optimizer_state, optimizer_state
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.benchmark.task import TrainingTask
from cl_bench.benchmark.train import Training
from cl_bench.benchmark.turns import turns


def why_not(method: type[Method], needs: Sequence[str]) -> str | None:
    """Why the mean of what clients train is no training of this method, in words; ``None``: it is one.

    Args:
        method: its class.
        needs: what it uses besides the task's images.
    """
    if method.trainable_parameters is Method.trainable_parameters:
        return "it trains nothing by a gradient, so there is nothing to average"
    for hook in ("after_backward", "after_step"):
        if getattr(method, hook) is not getattr(Method, hook):
            return f"it does more in a step than the optimizer ({hook}), which no mean of weights repeats"
    if needs:
        return f"it uses {needs[0]}, and no rule says which client has them"
    return None


class FederatedTraining(Training):
    """The training of one method on one task by clients that take turns.

    In every round each client starts from the server's parameters with a fresh optimizer and trains on its
    own images, whose order and schedule go on where its last turn ended. Then the server's parameters become
    the mean of theirs, weighted by their numbers of images. Steps are counted over all clients.
    """

    def __init__(
        self,
        method: Method,
        task: TrainingTask,
        recipe: Recipe,
        steps: int,
        precision: str,
        division: Division = WHOLE,
        *,
        clients: Tensor,
        rounds: int,
    ) -> None:
        """Stand before the first step.

        Args:
            method: as of ``Training``, as are the next five.
            task: the images of all clients.
            recipe: of every client.
            steps: of all clients in all rounds.
            precision: of every client.
            division: of every batch.
            clients: which client has each image, int64 [N] of 0, 1, ...; each has one or more.
            rounds: how often parameters are averaged.
        """
        super().__init__(method, task, recipe, steps, precision, division)
        count = int(clients.max()) + 1
        self._rows = [(clients == client).nonzero().flatten() for client in range(count)]
        self._turns = turns(steps, count, rounds)
        self._steps_of: Counter[int] = Counter()
        for turn in self._turns:
            self._steps_of[turn.client] += turn.steps
        self._server = [p.detach().clone() for p in self._parameters]
        self._sums = [torch.zeros_like(p, dtype=torch.float64) for p in self._server]
        self._places: dict[str, dict[str, Any]] = {}  # by client, where its last turn ended
        self._method_before = ""  # digest of the method's state before the first step
        self._begin_turn()

    @property
    def _turn(self) -> int:
        """Whose turn the next step belongs to; behind the last step, the last one's."""
        return min(
            bisect_right([turn.ends for turn in self._turns], self.step), len(self._turns) - 1
        )

    def take_step(self) -> None:
        """One step of the client whose turn it is; behind the last one of a turn, that of the next."""
        if self.step == 0:
            self._method_before = digest_of_state(self._method.state_dict())
        turn = self._turns[self._turn]
        super().take_step()
        if self.step == turn.ends:
            self._end_turn(turn.client, turn.ends_round)
            if self.step == self._turns[0].ends:
                self._check_method()
            if self.step < self.steps:
                self._begin_turn()

    def _begin_turn(self) -> None:
        """A fresh optimizer for the next client, whose schedule and images go on where they were."""
        client = self._turns[self._turn].client
        self._open(self._steps_of[client], self._rows[client])
        if place := self._places.get(str(client)):
            fresh = optimizer_state(self._optimizer)["moments"]
            load_optimizer_state(self._optimizer, {"moments": fresh, "groups": place["groups"]})
            if self._schedule is not None:
                self._schedule.load_state_dict(place["schedule"])
            self._batches.load_state_dict(place["batches"])

    @torch.no_grad()
    def _end_turn(self, client: int, ends_round: bool) -> None:
        """Take in what a client trained; with the last one of a round, average."""
        self._places[str(client)] = {
            "groups": optimizer_state(self._optimizer)["groups"],
            "schedule": self._schedule.state_dict() if self._schedule is not None else {},
            "batches": self._batches.state_dict(),
        }
        for total, parameter in zip(self._sums, self._parameters, strict=True):
            total += parameter.double() * len(self._rows[client])
        if ends_round:
            for server, total in zip(self._server, self._sums, strict=True):
                server.copy_(total / len(self._task))
                total.zero_()
        for server, parameter in zip(self._server, self._parameters, strict=True):
            parameter.copy_(server)

    def _check_method(self) -> None:
        """Raise where the first turn has changed more than parameters, which are the server's again.

        With one client they are not; it has no one to agree with.
        """
        if (
            len(self._rows) > 1
            and digest_of_state(self._method.state_dict()) != self._method_before
        ):
            raise UserError(
                f"{type(self._method).__name__} cannot learn with --clients: while it takes steps, more of its "
                "state changes than what it trains, and of that there is no mean"
            )

    def state_dict(self) -> dict[str, Any]:
        """All that the steps to come depend on beside the method's own state, after any step."""
        return super().state_dict() | {
            "server": _numbered(self._server),
            "sums": _numbered(self._sums),
            "places": self._places,
            "method before": self._method_before,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand after the step at which ``state`` was kept."""
        for own, kept in ((self._server, state["server"]), (self._sums, state["sums"])):
            for i, tensor in enumerate(own):
                tensor.copy_(kept[str(i)])
        self._places = {
            client: {"schedule": {}, **of} for client, of in state.get("places", {}).items()
        }
        self._method_before = state["method before"]
        self.step = state["step"]
        self._begin_turn()
        super().load_state_dict(state)


def _numbered(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    return {str(i): tensor for i, tensor in enumerate(tensors)}
