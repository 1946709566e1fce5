# Two commands matter: `make book` and `make test`. Both set up .venv first where it is missing.

PYTHON ?= python3.11
# Extra arguments for pip, e.g. the CPU build of torch on Linux:
#   make book PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
# Named after the content of the two files that say what is installed: a change re-synchronises.
STAMP := $(VENV)/synchronised-$(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')

# What the caller's shell says about Python must not reach the environment.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help book test environments coverage lint lock clean distclean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

book: $(STAMP) ## run the notebooks that changed, build the book, print its path
	@$(PY) -m cpdkit book

test: $(STAMP) ## run all tests, two at a time: library, notebooks, README, book
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile

environments: $(STAMP) ## try the method with the oldest and the newest versions allowed, by uv
	@$(PY) tools/environments.py oldest newest

coverage: $(STAMP) ## the same, and the share of lines that ran (notebooks' own kernels apart)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --cov=cpdkit --cov-report=term:skip-covered

lint: $(STAMP) ## style, formatting, types, and the direction of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy cpdkit
	$(VENV)/bin/lint-imports --no-logo

lock: $(STAMP) ## write constraints.txt from what .venv holds now
	$(PY) -m pip freeze --all --exclude cpdkit --exclude pip | sed 's/+[a-z0-9.]*$$//' > constraints.txt.part
	mv constraints.txt.part constraints.txt

clean: ## remove everything built, keep .venv
	rm -rf _build .coverage .pytest_cache .hypothesis .ruff_cache .mypy_cache

distclean: clean ## remove .venv as well
	rm -rf $(VENV) *.egg-info

$(STAMP):
	@echo "Installing into $(VENV) (once; some minutes) ..."
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and \
	  "cpdkit needs Python 3.11, but $(VENV) has " + sys.version.split()[0] + \
	  "; remove $(VENV) and call make with PYTHON=/path/to/python3.11")'
	$(PY) -m pip install $(PIP_ARGS) -c constraints.txt torch==2.13.0
	$(PY) -m pip install $(PIP_ARGS) -c constraints.txt -e '.[all]'
	@rm -f $(VENV)/synchronised-*
	@touch $@
