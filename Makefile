# cl-bench: `make run` and `make test` need nothing but Python >= 3.11, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 1
ROUNDS ?= 100
CASES ?= 100
METHODS := zero-shot,individual,joint,finetune,wc,wise-ft,lwf,lwf-vr,zscl,gift,condu,condu-lora,moe-adapters,lora,o-lora,inflora,sd-lora,codyra,gpm,er,rail,rail-dual,lada,diki,iap,keeplora,keeplora:variant=paper,keeplora+,keeplora++,keeplora-kd
# The interpreter must not look into this folder first: it holds a folder called datasets.
export PYTHONSAFEPATH := 1

.PHONY: help run test fuzz lint check report bench bench-gpu soak table pretrain clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' Makefile

run: $(VENV)/installed  ## KeepLoRA learns the embedded suite's eleven tasks in order II
	$(BIN)/cl-bench run --method keeplora --order II

test: $(VENV)/installed  ## run the tests, on up to four cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --durations=25

fuzz: $(VENV)/installed  ## the property tests with CASES (100) times as many cases, others every time
	OMP_NUM_THREADS=1 CL_BENCH_FUZZ=$(CASES) $(BIN)/python -m pytest -q $(wildcard tests/test_fuzz_*.py)

lint: $(VENV)/installed  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: audit
audit: $(VENV)/installed  ## known weaknesses of the pinned packages; says so where it has no data
	$(BIN)/python tests/audit.py

check: lint test  ## lint and test

report: $(VENV)/installed  ## tables and pictures of all runs under runs/
	$(BIN)/cl-bench report runs --out report

bench: $(VENV)/installed  ## measure speed: figures in bench.json and a table; AGAINST=FILE compares
	$(BIN)/python tests/bench/all.py --json bench.json $(if $(AGAINST),--against $(AGAINST))

bench-gpu: $(VENV)/installed  ## the same of what needs a GPU, in ten minutes: bench-gpu.json
	$(BIN)/python tests/bench/gpu.py --json bench-gpu.json

soak: $(VENV)/installed  ## kill runs at ROUNDS random moments per method, fail every call, learn 110 tasks (hours)
	PYTHONPATH=src:tests OMP_NUM_THREADS=1 $(BIN)/python -P tests/kill_anywhere.py --kills $(ROUNDS)
	PYTHONPATH=src:tests OMP_NUM_THREADS=1 $(BIN)/python -P tests/kill_anywhere.py --kills $(ROUNDS) --commands
	PYTHONPATH=src:tests OMP_NUM_THREADS=1 $(BIN)/python -P tests/fail_anywhere.py
	PYTHONPATH=src:tests OMP_NUM_THREADS=1 $(BIN)/python -P tests/long_stream.py

table: $(VENV)/installed  ## every method on the embedded suite, both orders, three seeds (hours; JOBS=N at a time)
	$(BIN)/cl-bench sweep --suite mini --methods $(METHODS) --orders II,I --seeds 0,1,2 --out runs/table --jobs $(JOBS)
	$(BIN)/cl-bench report runs/table --out report/table
	$(BIN)/python docs/take_results.py report/table

pretrain: $(VENV)/installed  ## make the tiny CLIP of the mini suite again (into pretrained/)
	$(BIN)/python -m cl_bench.datasets.mini.pretrain --out pretrained

clean:  ## remove the environment and what the tools left
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cl-bench needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
