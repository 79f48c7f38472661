"""Two tasks of the embedded suite, without the command line: `python examples/run_experiment.py`."""

from cl_bench.experiment.choices import Choices
from cl_bench.experiment.run import run_experiment

choices = Choices(suite="mini", method="keeplora", order="II", tasks=2, overrides=("rank=8",))
run = run_experiment(choices, listen=lambda event: print(event.event))
for j, task in enumerate(run.matrix.tasks):
    print(f"{task}: {run.matrix.zero_shot[j]:.1f} %, after all {run.matrix.rows[-1][j]:.1f} %")
print(run.path, run.matrix.metrics())
