"""``python -m cl_bench`` and the console script ``cl-bench``."""

from cl_bench.cli.app import main

if __name__ == "__main__":
    main()
