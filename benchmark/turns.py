"""Who takes how many of a task's steps, where clients take turns. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Turn:
    """A client's part of a round.

    Attributes:
        client: its number, from 0.
        steps: that it takes.
        ends: steps that all clients together have taken when it ends.
        ends_round: whether it is the last turn of its round.
    """

    client: int
    steps: int
    ends: int
    ends_round: bool


def turns(steps: int, clients: int, rounds: int) -> tuple[Turn, ...]:
    """Share the steps of a task among rounds, and those of a round among clients, as equally as can be.

    In all rounds together, too, two clients differ by one step at most.

    Args:
        steps: of all clients in all rounds.
        clients: how many there are.
        rounds: how many there are; each client takes a step or more in each.

    Raises:
        ValueError: there are fewer steps than that.
    """
    if steps < clients * rounds:
        raise ValueError(f"{steps} steps are too few for {clients} clients in {rounds} rounds")
    shares = list(_shares(steps, clients, rounds))
    ends = accumulate(taken for _, taken in shares)
    return tuple(
        Turn(client, taken, end, client == clients - 1)
        for (client, taken), end in zip(shares, ends, strict=True)
    )


def _shares(steps: int, clients: int, rounds: int) -> Iterator[tuple[int, int]]:
    """Each turn's client and steps. Who takes one step more than others goes round among the clients."""
    first = 0  # of those who take one more
    for before, after in pairwise(steps * r // rounds for r in range(rounds + 1)):
        each, more = divmod(after - before, clients)
        for client in range(clients):
            yield client, each + ((client - first) % clients < more)
        first = (first + more) % clients
