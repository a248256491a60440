# Everything runs in .venv, with the exact versions of constraints.txt.
#
# The Python to build it with can be chosen: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types format clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## Make .venv, or bring it up to date

demo: $(STAMP) ## Run the whole loop offline; a few minutes on two cores
	$(BIN)/haechi run recipes/demo.yaml

test: lint types ## Lint, check the types, run the tests
	$(BIN)/python -m pytest -q

lint: $(STAMP) ## Check the style
	$(BIN)/ruff check

types: $(STAMP) ## Check the types
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(STAMP) ## Format the code and put right what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove .venv, caches and built packages; runs/ stays
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find src tests docs -type d -name __pycache__ -prune -exec rm -rf {} +

# torch comes first: it is by far the largest part, and this way the message says what is being waited for.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is not Python 3.11 or newer. Fix: install one, or name it: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make environments. Fix: install its venv package (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "[1/3] $(VENV) ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/3] $$(grep '^torch==' constraints.txt) (large: the first time takes minutes)"
	@$(PIP) install --constraint constraints.txt torch
	@echo "[3/3] haechi and what it and its tests need"
	@$(PIP) install --constraint constraints.txt --editable '.[ko,dev]'
	@touch $@
