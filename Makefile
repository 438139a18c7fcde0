# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
export PYTHONUTF8 = 1

.PHONY: help demo test lint unit engines setup setup-dev docs lock bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

demo: setup  ## recorded MCP traffic to masked JSON Lines, with no server
	@$(BIN)/python collectors/mcp_stdio/demo.py

test: setup-dev  ## everything: lint, types, engines, all tests
	@$(MAKE) --no-print-directory lint engines
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: setup-dev  ## ruff and mypy
	$(BIN)/ruff format --check src tests collectors benchmarks docs
	$(BIN)/ruff check src tests collectors benchmarks docs
	$(BIN)/mypy

unit: setup-dev  ## tests without real servers
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m 'not engine'

engines: setup-dev  ## fetch and build the real servers that the tests run
	$(BIN)/python -m tests.engines prepare

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

docs: setup-dev  ## docs/reference.md from the code
	$(BIN)/python docs/build.py

bench: setup-dev  ## the benchmarks
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/tap.py
	$(BIN)/python benchmarks/hop.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/mask.py

lock: setup-dev  ## new versions into requirements/
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group build --universal --generate-hashes --no-header --no-annotate -U -o requirements/runtime.txt
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group build --group dev --universal --generate-hashes --no-header --no-annotate -U -o requirements/dev.txt

clean:  ## remove what make made
	rm -rf $(VENV) .cache out

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "agenttrail needs Python 3.11 to 3.13: apt-get install python3 python3-venv, or brew install python@3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "this Python has no venv module: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Installed by hash, then the package itself: what runs is what was locked.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up (once, a few minutes): Presidio, spaCy and its small English model" >&2
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up for development (once, a few minutes)" >&2
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime
