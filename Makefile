# Everything a developer types. Each target does all of its own set-up.

PYTHON = python3
BIN = .venv/bin

# `make demo DATA=folder` takes that data set instead of the digits that are made here.
DEMO = demo-output
DATA =
DEMO_DATA = $(if $(DATA),$(DATA),$(DEMO)/digits)
DEMO_RECIPE = auto
DEMO_OPTIONS = --time-budget 7m

.PHONY: help setup demo test check format bench docs clean

help:
	@echo "make demo [DATA=folder]  train, evaluate, draw and export, on made images or on yours"
	@echo "make test                run the tests"
	@echo "make check               formatting, lint, types, layers, language"
	@echo "make format              fix formatting and what lint can fix"
	@echo "make bench               run the benchmarks"
	@echo "make docs                build the documentation into site/"
	@echo "make clean               remove what these targets made, except .venv"

setup: .venv/.setup-done

.venv/.setup-done: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "Python 3.10 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; \
	  exit 1; }
	@# Debian's Python may come without ensurepip; its own pip can then fill the environment.
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
	  $(PYTHON) -m venv --clear --without-pip .venv && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup
	@rm -rf $(DEMO)/run $(DEMO)/report $(DEMO)/drawn $(DEMO)/exported
	$(if $(DATA),,$(BIN)/python demo/digits.py $(DEMO_DATA))
	$(BIN)/singleshot train $(DEMO_RECIPE) --data $(DEMO_DATA) --run $(DEMO)/run $(DEMO_OPTIONS)
	$(BIN)/singleshot evaluate $(DEMO)/run $(DEMO_DATA) --protocol coco --report $(DEMO)/report
	find "$(DEMO_DATA)" -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' | sort | head -n 8 | \
	  tr '\n' '\0' | xargs -0 -r $(BIN)/singleshot predict $(DEMO)/run --draw $(DEMO)/drawn
	$(BIN)/singleshot export $(DEMO)/run --to onnx --int8 --calibrate $(DEMO_DATA) --output $(DEMO)/exported
	@echo "$(CURDIR)/$(DEMO)/exported"
	@echo "$(CURDIR)/$(DEMO)/report/report.html"

test: setup
	@# Tiny tensors gain nothing from threads, which wait for each other on a busy machine.
	@# Compiled modules, kept, halve the time that each process takes to import.
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_names.py
	$(BIN)/python tools/check_words.py
	$(BIN)/python tools/check_tests.py
	$(BIN)/python tools/check_commits.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks

docs: setup
	@# The theme announces the end of its support; pyproject.toml has the date and what it means.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(DEMO) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name __pycache__ -exec rm -rf {} +
