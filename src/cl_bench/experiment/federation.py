"""Whether a run's method and tasks can be shared among clients, found before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping

from cl_bench.benchmark.config import Budget, Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.datasets.client_split import ALPHA, too_many
from cl_bench.methods.catalog import MethodEntry

AVERAGED = (  # what a reader of the metrics must know
    "clients are simulated: what they train is averaged number by number, so where two factors train (LoRA's A "
    "and B) the mean is not that of their products; passes that the method makes before and after are over all "
    "clients' images"
)


def settled_clients(protocol: Protocol) -> Protocol:
    """The protocol with the usual concentration where clients share images and none was named.

    Raises:
        UserError: clients, rounds and concentration are not given together.
    """
    if protocol.clients is None:
        alone = next((name for name in ("rounds", "client_alpha") if getattr(protocol, name)), None)
        if alone is not None:
            raise UserError(
                f"--{alone.replace('_', '-')} {getattr(protocol, alone):g} is about clients: add --clients N, or "
                "leave it out"
            )
        return protocol
    if protocol.rounds is None:
        raise UserError(
            f"--clients {protocol.clients}: say with --rounds R how often in a task they are averaged"
        )
    return protocol.model_copy(update={"client_alpha": protocol.client_alpha or ALPHA})


def must_be_shared(
    protocol: Protocol,
    budget: Budget,
    images: Mapping[str, int],
    entry: MethodEntry,
    settings: MethodConfig,
) -> None:
    """Refuse what clients cannot share.

    Args:
        protocol: of the run.
        budget: of the run.
        images: by task, how many are trained on.
        entry: the method.
        settings: of the method.

    Raises:
        UserError: the mean of what clients train is no training of the method; a client would have no image
            of a task, or take no step in a round.
    """
    clients, rounds = protocol.clients, protocol.rounds
    if clients is None or rounds is None:
        return
    from cl_bench.benchmark.federated import why_not

    if reason := why_not(entry.method, settings.needs()):
        raise UserError(f"{entry.name} cannot learn with --clients {clients}: {reason}")
    for task, count in images.items():
        if clients > count:
            raise too_many(clients, task, count)
    task, steps = min(budget.steps.items(), key=lambda item: item[1])
    if steps < clients:
        raise UserError(
            f"--clients {clients}: the {steps} steps of {task} are fewer, and every client takes one in each "
            f"round; write --clients {steps} or less"
        )
    if steps < clients * rounds:
        raise UserError(
            f"--clients {clients} --rounds {rounds}: the {steps} steps of {task} are not one for every client in "
            f"every round; write --rounds {steps // clients} or less"
        )
