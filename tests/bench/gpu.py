"""What only a GPU can show, in ten minutes: ``python tests/bench/gpu.py --json gpu.json``.

KeepLoRA's step, evaluation, projection and passes against a plain loop in four precisions, its waits, the
projected time of the published experiment with its arithmetic, then every method. It needs torch, numpy,
pandas, open_clip, pydantic and this project. The most important comes first, every part has a limit of
time, and the file is written after every figure: what is cut off leaves what it has. What a limit left
out, and what failed, is named. ``--tiny --device cpu`` shows anywhere that it runs.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.against import earlier, told
from bench.every_method import Sizes, cases
from bench.figures import Figure, write_json
from bench.gpu_parts import GpuParts
from bench.kept import Bench, Part, Size, table
from bench.random_task import backbone

from cl_bench.methods.catalog import find_method

WHOLE = 570  # seconds for everything


def main() -> int:
    options = _options()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print(f"there is no {options.device} here; --device cpu --tiny shows that the bench runs")
        return 2
    size: Size = "tiny" if options.tiny else "full"
    before = earlier(options.against, size) if options.against else None
    start = time.perf_counter()
    gpu = torch.cuda.get_device_name() if options.device.startswith("cuda") else None
    parts: list[Part] = []
    work = _work(options.tiny, options.device)
    for name, part, limit in work.in_order():
        if gpu is not None:
            gc.collect()  # models of the part before, off the GPU
        left = min(limit, options.seconds - (time.perf_counter() - start))
        for so_far in measured(name, part, left):
            bench = Bench(size, [*parts, so_far], work.notes, gpu)
            if options.json:
                write_json(options.json, bench.content())
        parts.append(so_far)
    print(f"\n{table(bench.content())}")
    worse = before is not None and told(bench.content(), before)
    return 1 if bench.failed or worse else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--against", type=Path, metavar="FILE")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=WHOLE, help="for everything")
    parser.add_argument("--tiny", action="store_true", help="show only that everything runs")
    return parser.parse_args()


def _work(tiny: bool, device: str) -> GpuParts:
    clip = backbone(tiny, device)
    sizes = (
        Sizes(2, (3, 5), 1, "tiny CLIP", device)
        if tiny
        else Sizes(64, (100, 397), 5, "ViT-B/16", device)
    )
    every = cases(sizes.classes)
    if not tiny:
        return GpuParts(clip, sizes, 1024, every)
    fastest = [case for case in every if case.precision == "fp32" and case.classes == 3]
    one_of_a_class = {find_method(case.method).method: case for case in fastest}
    return GpuParts(clip, sizes, 4, list(one_of_a_class.values()))


def measured(name: str, part: Callable[[], Iterator[Figure]], limit: float) -> Iterator[Part]:
    """What a part has given so far, after every figure and at its end.

    Args:
        name: of the part.
        part: gives its figures.
        limit: seconds; the figure at work then is the last one.
    """
    start, figures = time.perf_counter(), list[Figure]()
    problem, left_out = "", "all of it" if limit <= 0 else ""
    try:
        for figure in part() if limit > 0 else ():
            print(figure, flush=True)
            figures.append(figure)
            if time.perf_counter() - start > limit:
                left_out = f"what follows {figure.name!r}, after {limit:.0f} s"
                break
            yield Part(name, tuple(figures), time.perf_counter() - start, left_out="the rest")
    except Exception as error:  # the other parts go on
        traceback.print_exc()
        problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    yield Part(name, tuple(figures), time.perf_counter() - start, problem, left_out)


if __name__ == "__main__":
    raise SystemExit(main())
