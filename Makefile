# demo: from nothing to a shipped model. test: what the automation runs. check: lint, types, floors.
PYTHON ?= python3
BIN := .venv/bin
# Python compiles what it imports; all of 18,000 files take more than a minute.
PIP := --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: demo test check size clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP) torch==2.13.0
	$(BIN)/python -m pip install $(PIP) -e '.[dev]'
	touch .venv/ready

demo: .venv/ready
	$(BIN)/modelwright demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder  # short files come last

check: .venv/ready
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/size.py

size: .venv/ready
	$(BIN)/python benchmarks/size.py

clean:
	rm -rf .venv build dist *.egg-info
