# Needs Python 3.11 and make, nothing else. `make help` says what there is.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Written when everything the requirements name is installed; older than them: install again.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: help run test failpoints proofs lint bench soak soak-short clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

run: $(RUN_STAMP) ## start everything with a demo; Ctrl-C stops it (PORT, SIMULATOR_PORT, PAYSYS_DATA)
	@exec $(BIN)/python manage.py up

test: $(DEV_STAMP) ## the whole suite on a real PostgreSQL (ARGS="-k words" for a part of it)
	@exec $(BIN)/python -m pytest -n 2 -m "not matrix" $(ARGS)

failpoints: $(DEV_STAMP) ## die, fail and hang at every place that a payment, refund, payout or dispute passes
	@exec $(BIN)/python -m pytest -n 2 -m matrix $(ARGS)

proofs: $(DEV_STAMP) ## crowds and random sequences of steps, a hundred times each (ROUNDS)
	@ROUNDS=$(or $(ROUNDS),100) exec $(BIN)/python -m pytest -n 2 -m repeated $(ARGS)

lint: $(DEV_STAMP) ## style, types and the walls between the apps
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(DEV_STAMP) ## measure (NAME=ledger, payments or wallets, ARGS="--json FILE")
	@exec $(BIN)/python manage.py bench $(NAME) $(ARGS)

soak-short: $(DEV_STAMP) ## break everything for some minutes, then compare the books (ARGS="--seed 7")
	@exec $(BIN)/python manage.py soak --payments 300 --faults 24 --seconds 480 $(ARGS)

soak: $(DEV_STAMP) ## the same for some hours: 10,000 payments, 300 faults
	@exec $(BIN)/python manage.py soak --payments 10000 --faults 300 --seconds 14400 $(ARGS)

clean: ## remove what make made here; the data folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis var
	find apps paysys -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" || \
		{ echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements.txt"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	@echo "Installing requirements-dev.txt"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@echo "$(CURDIR)" > $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/checkout.pth
	@touch $@
