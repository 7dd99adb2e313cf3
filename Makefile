# make setup: install into .venv; make run: the demo pipeline; make test: checks and tests.
# make deps: which code each stage of dvc.yaml depends on. make lock: the hashes of all packages in constraints.txt.
# make bench: the table of speed in docs/performance.md, measured again; some minutes.
# make test-long: tests that take hours, among them every pair of commands at the same time, 20 times, and
# the examples of hypothesis, many more than make test draws.
# make fuzz SECONDS=3600: invented files for every reader, so long each.
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
version = $(shell $(1) -c 'import sys; print(*sys.version_info[:2], sep=".")')
ifdef PYTHON
  # An environment keeps the Python that made it.
  ifneq ($(wildcard $(BIN)/python),)
    ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
      $(error $(VENV) has Python $(call version,$(BIN)/python); delete it, or add VENV=another-folder)
    endif
  endif
else
  # The first of these that runs; deepchem, which tests compare with, installs on 3.11 alone.
  FOUND = $(shell for name in python3.11 python3.12 python3.13; do \
    $$name -c '' 2> /dev/null && echo $$name && break; done)
  PYTHON = $(or $(FOUND),$(error Python 3.11, 3.12 or 3.13 is not on the path; install it, or add PYTHON=its-path))
endif
export PATH := $(BIN):$(PATH)
# pip compiles nothing, so the first import does; unsaved, each process would take ten seconds for that again.
unexport PYTHONDONTWRITEBYTECODE
# Two processes with as many threads as cores each stand in each other's way; pytest-xdist runs two.
TEST_ENV := OMP_NUM_THREADS=1

# Of make fuzz, for each format.
SECONDS ?= 3600

.PHONY: setup run deps lock test test-long fuzz check bench

setup: $(VENV)/.installed

# The pip that comes with an older Python takes twice the time.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --no-compile -c constraints.txt -e '.[pipeline,dev]'
	touch $@

run: setup
	dvc repro

deps: setup
	python scripts/dvc_dependencies.py

# For every Python and system that pyproject.toml allows; what constraints.txt lacks is of other systems.
lock: setup
	uv pip compile pyproject.toml --all-extras -c constraints.txt --universal --python-version 3.11.5 \
	  --no-strip-extras --no-annotate --generate-hashes --custom-compile-command 'make lock' --quiet \
	  --output-file requirements.lock

check: setup
	ruff check .
	ruff format --check .
	pyright --pythonpath $(BIN)/python
	lint-imports
	python scripts/plain_english.py

test: check
	$(TEST_ENV) pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: setup
	$(TEST_ENV) pytest -m long -n 2
	$(TEST_ENV) pytest -m 'hypothesis and not long' -n 2 --hypothesis-profile=thorough
	$(TEST_ENV) ANCHORDRUG_PAIRS=20 pytest tests/bench/test_pairs.py -s

fuzz: setup
	$(TEST_ENV) ANCHORDRUG_FUZZ_SECONDS=$(SECONDS) pytest tests/fuzz -n 2

bench: setup
	python benchmarks/speed.py
