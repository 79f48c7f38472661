"""Whether the seconds of some runs may be compared: only those of one machine."""

from __future__ import annotations

from collections.abc import Iterable

from cl_bench.benchmark.record import RunResult


def why_times_differ(runs: Iterable[RunResult]) -> str | None:
    """Why seconds of these runs do not compare; ``None`` where one machine measured them all.

    A machine is its processor, cores, threads, device, GPU and number of processes, as the manifest of every session
    says. That nothing else ran there at the time, no manifest knows.
    """
    machines = set()
    for run in runs:
        sessions = run.manifest.sessions
        hardware = [session.hardware for session in sessions]
        if not sessions or any(h.cpu is None or h.device is None for h in hardware):
            return "not every run recorded its machine"
        machines |= {(h.cpu, h.cores, h.threads, h.device, h.gpu, h.processes) for h in hardware}
    return f"measured on {len(machines)} different machines" if len(machines) > 1 else None
