# Two commands for people: `make demo` and `make test`. Each does its own set-up with nothing but Python 3.11, venv and make.
PYTHON ?= python3
VENV   := .venv
DEMO   := .venv-demo
BIN    := $(VENV)/bin

.PHONY: demo test check bench lock clean setup
.DEFAULT_GOAL := help

help:
	@echo "make demo    five acts on the embedded model: no key, no network"
	@echo "make test    every test (EVALKIT_SIZE=full for the long simulations)"
	@echo "make check   formatting, lint, types, layers, documentation"
	@echo "make bench   throughput, as ratios to a raw client loop"
	@echo "make lock    resolve the locks again"

# Says what is wrong before pip does, which would name a package.
PYTHON_IS_NEW_ENOUGH = @$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("evalkit needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)")'

# The small set is enough to run and to gate. Most of it is never imported, so that it is not compiled in advance.
$(DEMO)/.installed: requirements-ci.lock pyproject.toml
	$(PYTHON_IS_NEW_ENOUGH)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-ci.lock
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON_IS_NEW_ENOUGH)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.installed

demo: $(DEMO)/.installed
	@$(DEMO)/bin/evalkit demo

# Coverage is counted where the code runs in the tests' own process; the commands and servers of tests/e2e do not.
test: $(VENV)/.installed
	$(BIN)/python -m pytest tests/unit tests/contract tests/stat -n 2 --dist worksteal --cov --cov-report=term:skip-covered
	$(BIN)/python -m pytest tests/e2e -n 2 --dist worksteal

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check.py

bench: $(VENV)/.installed
	$(BIN)/python -m pytest tests/bench -m bench -s -o addopts="--import-mode=importlib --strict-markers"

# The only target that needs a tool besides Python: uv, which resolves in seconds.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) pyproject.toml --extra dev --group build -o requirements.lock
	$(LOCK) pyproject.toml --group build -o requirements-ci.lock

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
