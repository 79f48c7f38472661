"""``make audit``: the pinned packages against the known weaknesses of packages, where these can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

PINNED = Path(__file__).parents[1] / "constraints.txt"
SECONDS = 300.0
Ask = Callable[[str], list[dict[str, Any]]]


def asked(requirements: str) -> list[dict[str, Any]]:
    """What pip-audit finds of pinned packages; raises ``ValueError`` where it has no data."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        line = (sys.executable, "-m", "pip_audit", "-r", file.name, "--no-deps", "--disable-pip")
        more = ("--format", "json", "--progress-spinner", "off", "--timeout", "15")
        try:
            ended = subprocess.run((*line, *more), capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"no answer within {SECONDS:.0f} s") from error
    try:
        return list(json.loads(ended.stdout)["dependencies"])
    except (ValueError, KeyError) as error:
        raise ValueError((ended.stderr.strip().splitlines() or ["no answer"])[-1]) from error


def audit(pinned: str, ask: Ask = asked) -> tuple[int, list[str]]:
    """The exit code and what to say: 1 where a pinned package has a known weakness.

    Without data nothing is known: that is said, and is no failure. One package is asked about before all.
    """
    lines = [line for line in pinned.splitlines() if "==" in line and not line.startswith("#")]
    try:
        packages = ask(lines[0])
        if any("vulns" in package for package in packages):
            packages = ask("\n".join(lines))
    except ValueError as error:
        return 0, [f"audit SKIPPED: the data on weaknesses cannot be reached: {error}"]
    looked_at = [package for package in packages if "vulns" in package]
    if not looked_at:
        return 0, [f"audit SKIPPED: no data: {packages[0].get('skip_reason')}"]
    found = [
        f"{package['name']} {package['version']}: {weakness['id']}, "
        f"mended in {', '.join(weakness['fix_versions']) or 'no version'}"
        for package in looked_at
        for weakness in package["vulns"]
    ]
    rest = [f"{p['name']}: NOT looked at: {p['skip_reason']}" for p in packages if "vulns" not in p]
    return int(bool(found)), [
        f"{len(looked_at)} packages of {len(lines)} looked at, {len(found)} weaknesses", *found, *rest
    ]  # fmt: skip


if __name__ == "__main__":
    code, words = audit(PINNED.read_text())
    sys.stdout.write("".join(f"{line}\n" for line in words))
    raise SystemExit(code)
