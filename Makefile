# make demo       everything for a first look: environment, clip, painted clip, a page that compares
# make test       the whole suite (at most 15 minutes on 2 cores); make test-quick: the inner loop
# make lint       format, style, types
# make bench      benchmarks, raw results under benchmarks/results/

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-quick lint bench clean

demo: $(VENV)/.tool
	$(BIN)/rotoscope demo demo --overwrite

# A test process that crashes ends the suite: another in its place would leave tests out.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -m "not clips"

test-quick: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -m "not slow and not clips"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	mkdir -p benchmarks/results
	$(BIN)/python -m pytest benchmarks -o testpaths=benchmarks --benchmark-json=benchmarks/results/latest.json

# The tool alone, on the CPU; what a user needs.
$(VENV)/.tool: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[cpu]"
	touch $@

# Everything that tests, types and benchmarks need.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.tool

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
