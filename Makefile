# Two commands for a newcomer: `make demo` and `make test`. Both make .venv if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# one thread a worker: two workers on two cores, and no oversubscription inside torch
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test test-all lint notebooks bench parity clean

demo: .venv/.demo
	$(BIN)/python examples/fit_resting_state.py

test: .venv/.test
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal

# every combination of the backends' axes instead of a covering array: some hours
test-all: .venv/.test
	TORCHMASS_FULL=1 $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

notebooks: .venv/.test
	$(ONE_THREAD) $(BIN)/python -m pytest tests/test_notebooks.py

bench: .venv/.bench
	$(BIN)/python benchmarks/time_loop.py

# torchmass against The Virtual Brain, brainmass and tvboptim, as tables
parity: .venv/.parity
	$(BIN)/python benchmarks/parity.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[viz,data,fit]'
	touch $@

.venv/.test: .venv/bin/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

.venv/.bench: .venv/bin/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	touch $@

.venv/.parity: .venv/bin/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[parity]'
	touch $@

clean:
	rm -rf .venv build figures *.egg-info
