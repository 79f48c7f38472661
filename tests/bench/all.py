"""All scripts of this folder, each in a process of its own: JSON, a table, and what got slower.

``python tests/bench/all.py [--only NAME ...] [--json FILE] [--against FILE] [--tiny]``. One that dies is
named and the others go on; the exit code is 1 then, and where something got worse than in FILE
(tests/bench/against.py says what counts as noise). What a GPU is needed for is in gpu.py.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.against import earlier, told
from bench.figures import Figure, write_json
from bench.kept import Bench, Part, Size, table

SCRIPTS = (
    "answers", "plain_loop", "projection", "text_tower", "precision", "step_waits", "step_memory", "zscl_step",
    "expert_dispatch", "expert_choice", "mini_run", "two_at_once", "two_processes", "data", "methods_on_mini",
    "predict", "report", "keep_state",
)  # fmt: skip
HERE = Path(__file__).parent
LIMIT = 900  # seconds; a script that takes longer is ended


def main() -> int:
    options = _options()
    size: Size = "tiny" if options.tiny else "full"
    before = earlier(options.against, size) if options.against else None  # told before it begins
    parts: list[Part] = []
    for name in options.only or SCRIPTS:
        print(f"\n{name}", flush=True)
        parts.append(run(HERE / f"{name}.py", options.tiny))
        print(f"{name} took {parts[-1].seconds:.0f} s {parts[-1].problem}", flush=True)
        bench = Bench(size, parts)
        if options.json:
            write_json(options.json, bench.content())
    content = bench.content()
    print(f"\n{table(content)}\n\nall: {sum(p.seconds for p in parts) / 60:.1f} minutes")
    worse = before is not None and told(content, _only(before, options.only))
    for part in bench.failed:
        print(f"failed: {part.name}: {part.problem}", file=sys.stderr)
    return 1 if bench.failed or worse else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--against", type=Path, metavar="FILE")
    parser.add_argument("--tiny", action="store_true", help="show only that everything runs")
    return parser.parse_args()


def _only(content: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    """Of an earlier bench, what is measured now: the rest is not missing."""
    figures = [f for f in content["figures"] if names is None or f["script"] in names]
    return {**content, "figures": figures}


def run(script: Path, tiny: bool) -> Part:
    """Run a script; its lines are printed as they come."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, str(script), "--json", str(file), *(["--tiny"] if tiny else [])]
        start = time.perf_counter()
        process = subprocess.Popen(command, start_new_session=True)
        try:
            code = process.wait(LIMIT)
            problem = f"it ended with code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"it took more than {LIMIT} s and was ended"
        finally:
            _end(process)
        seconds = time.perf_counter() - start
        figures = [Figure(**of) for of in json.loads(file.read_text())] if file.exists() else []
    if not figures and not problem:
        problem = "it measured nothing"
    return Part(script.stem, figures, seconds, problem)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a script that still runs, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
