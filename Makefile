# Every target makes the environment it needs. `make review` is the way in.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: help review test lint format notebooks dictionary lab bench mutants coverage signals constraints clean

help:
	@echo "make review      the reviews of the sample book, as pages under reports/"
	@echo "make test        ruff and mypy, then every test: code, doctests, notebooks"
	@echo "make lint        ruff and mypy"
	@echo "make notebooks   execute the notebooks in place on the sample book"
	@echo "make dictionary  write data/dictionary.md again, after a key or column changed"
	@echo "make lab         JupyterLab on the notebooks"
	@echo "make bench       how long it takes, beside plain SQL, the papermill command, and the bare cells of the files"
	@echo "make coverage    how often intervals hold the truth, in worlds the methods do not assume"
	@echo "make signals     how often signals are false alarms, and how often they tell what is so"
	@echo "make mutants     put small faults into a copy, one at a time: does a test notice?"
	@echo "make clean       remove what was made, the environment too"

# One stamp for use, one for development: each is renewed when the pins or the requirements change.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "partnerkpi needs Python 3.11 or newer: put it on the PATH or say make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.use: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.use $@

review: $(VENV)/.use
	$(BIN)/partnerkpi review data

# What is out of order is said in seconds, before the tests run. The profile `ci` draws the same examples every time.
# Files in the order of their names: by their number of tests, as xdist would have them, the slowest ones come last.
test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --hypothesis-profile ci --nbval-lax tests partnerkpi notebooks

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

notebooks: $(VENV)/.dev
	$(BIN)/python tests/refresh_uses.py
	$(BIN)/python tests/refresh_notebooks.py

dictionary: $(VENV)/.dev
	$(BIN)/python tests/refresh_dictionary.py

lab: $(VENV)/.dev
	$(BIN)/jupyter lab notebooks

bench: $(VENV)/.dev
	$(BIN)/python tests/bench.py

# By hand, it takes an hour; BOOKS=10 in a minute or two, ONLY="giants" the worlds with one of these words in their name,
# ONLY=--changes how often a change is told; then what open deals were expected to bring beside what came.
coverage: $(VENV)/.dev
	$(BIN)/python tests/coverage_table.py --books $(or $(BOOKS),500) $(ONLY)
	$(BIN)/python tests/forecast_table.py

# By hand, it takes an hour; BOOKS=10 in a few minutes. Writes what notebooks/intervals/signals.ipynb shows.
signals: $(VENV)/.dev
	$(BIN)/python tests/signals_table.py alarms --books $(or $(BOOKS),500) --out notebooks/intervals/signals.csv
	$(BIN)/python tests/signals_table.py power --books $(or $(BOOKS),50) --out notebooks/intervals/signals_power.csv
	$(BIN)/python tests/signals_table.py stories --books $(or $(BOOKS),50) --out notebooks/intervals/signals_stories.csv

# By hand, it takes long; ONLY="money gate" tries the faults of files whose name has one of these words.
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py $(ONLY)

# Pins for every Python and platform the package claims; wants uv on the PATH.
constraints:
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --all-extras pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find reports -mindepth 1 ! -name README.md ! -name example.png -delete
	find partnerkpi tests -name __pycache__ -type d -prune -exec rm -rf {} +
