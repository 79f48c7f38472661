"""Two tasks of the embedded suite, without the command line: `python examples/run_experiment.py`."""

import cl_bench

run = cl_bench.run("keeplora", suite="mini", order="II", tasks=2, settings={"rank": 8})
print(run.matrix.to_frame().round(1))
for metric, value in run.metrics.items():
    print(f"{metric}: {value:.2f}")
run.plot().savefig(run.path / "matrix.png")
print(run)
