# make setup: install into .venv; make run: the demo pipeline; make test: checks and tests;
# make deps: which code each stage of dvc.yaml depends on.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
# Two processes with as many threads as cores each stand in each other's way; pytest-xdist runs two.
TEST_ENV := OMP_NUM_THREADS=1

.PHONY: setup run deps test check bench

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pipeline,dev]'
	touch $@

run: setup
	dvc repro

deps: setup
	python scripts/dvc_dependencies.py

check: setup
	ruff check .
	ruff format --check .
	pyright --pythonpath $(BIN)/python
	lint-imports

test: check
	$(TEST_ENV) pytest -n 2 --dist loadfile

bench: setup
	python benchmarks/training.py
