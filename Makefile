# make demo       first look: environment, demo clip, painted clip, a page that compares them
# make test       the whole suite in random order (at most 15 minutes on 2 quiet cores); ARGS="..." goes to pytest
# make test-full  the same, with the exports that take minutes and the promises at full size (hours)
# make test-quick the suite without tests marked slow
# make coverage   the same, then the share of lines that the suite runs (costs about 1 % more time)
# make lint       style, format, types
# make wheel      build the wheel, install it into an empty environment, run `rotoscope doctor`
# make bench      benchmarks; raw results go to benchmarks/results/
# make docs      the site of docs/ in docs/_build, warnings are errors
# make fuzz       fuzz our readers for MINUTES=5, with coverage guidance; findings go to .fuzz/crashes/; TARGETS="onnx npz" chooses

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Tests of one file run in one worker, in random order. pytest prints the seed; ARGS="--randomly-seed=SEED" repeats that order,
# ARGS="-p no:randomly" keeps the order of the files. A crashed worker is not replaced: its tests would be lost.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0
ARGS ?=
MINUTES ?= 5
TARGETS ?=

.PHONY: demo test test-full test-quick coverage lint wheel bench docs fuzz clean

demo: $(VENV)/.tool
	$(BIN)/rotoscope demo demo --overwrite

test: $(VENV)/.dev
	$(PYTEST) -m "not clips and not full" $(ARGS)

test-full: $(VENV)/.dev
	ROTOSCOPE_PROMISES=full $(PYTEST) -m "not clips" $(ARGS)

test-quick: $(VENV)/.dev
	$(PYTEST) -m "not slow and not clips and not full" $(ARGS)

coverage: $(VENV)/.dev
	$(PYTEST) -m "not clips and not full" --cov --cov-report=term $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file benchmarks/mypy.ini

wheel:
	scripts/check_wheel.sh

bench: $(VENV)/.dev
	mkdir -p benchmarks/results
	$(BIN)/python -m pytest benchmarks -p no:randomly -o testpaths=benchmarks --benchmark-json=benchmarks/results/latest.json

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -b html --fail-on-warning --keep-going --quiet docs docs/_build

fuzz: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e ".[fuzz]"
	$(BIN)/python tests/promises/fuzz.py --minutes $(MINUTES) $(addprefix --target ,$(TARGETS))

# What a user needs on a machine without a GPU.
$(VENV)/.tool: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[cpu,live]"
	touch $@

# What tests, types and benchmarks need.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[dev]"
	$(PIP) install --no-deps tritonclient==2.73.0  # for its protobuf of config.pbtxt; what it depends on is older than ours
	touch $@ $(VENV)/.tool

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) docs/_build docs/reference demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .fuzz
