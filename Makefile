# Everything starts here: `make run` trades on the embedded paper market, `make test` proves that it works.
#
# PYTHON       the interpreter that the environment is made from (default: the first of 3.11, 3.12 that is found)
# TORCH_INDEX  a package index with a CPU build of torch, for machines without an NVIDIA GPU
# SEEDS, SEED  how many seeds `make sim` runs, or the one that it replays with its trace
# ARGS         more arguments for the program that the target runs: make test ARGS='-k reload'

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= 2
SEEDS ?= 100
MADE_FROM := pyproject.toml constraints.txt tools/make-venv

export PYTHON
export TORCH_INDEX

.DEFAULT_GOAL := help

.PHONY: help
help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: $(MADE_FROM)
	tools/make-venv $(VENV) --editable .
	@touch $@

$(VENV)/.dev: $(MADE_FROM)
	tools/make-venv $(VENV) --editable '.[dev]'
	@touch $(VENV)/.run $@

$(VENV)/.browser: $(MADE_FROM)
	tools/make-venv $(VENV) --editable '.[dev,browser]'
	@touch $(VENV)/.run $(VENV)/.dev $@

.PHONY: run
run: $(VENV)/.run  ## trade on the embedded paper market, with the page on http://127.0.0.1:8080
	@exec $(BIN)/autotrader run $(ARGS)

.PHONY: test
test: $(VENV)/.dev  ## run the tests; no browser, no network
	$(BIN)/python -m pytest -m 'not browser' -n $(JOBS) $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev  ## statements and branches of execution/ and risk/ that their tests reach; less than 95 % fails
	$(BIN)/python -m coverage run --branch --data-file=.coverage --source=autotrader.execution,autotrader.risk \
	  -m pytest -q -p no:xdist tests/execution tests/risk tests/runtime $(ARGS)
	$(BIN)/python -m coverage report --data-file=.coverage --show-missing --skip-covered --fail-under=95

.PHONY: sim
sim: $(VENV)/.dev  ## run the simulation over SEEDS=100 seeds, or replay one with its trace: SEED=7
	@$(BIN)/python -m tests.simulation $(if $(SEED),$(SEED),--seeds $(SEEDS) --jobs $(JOBS))

.PHONY: test-browser
test-browser: $(VENV)/.browser  ## run the tests that drive the page in Chromium
	$(BIN)/python -m pytest -m browser $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev  ## style, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: mutants
mutants: $(VENV)/.dev  ## change the code a little, many times, and list what no test notices: make mutants ARGS=risk
	$(BIN)/python tools/mutate.py $(ARGS)

.PHONY: schemas
schemas: $(VENV)/.run  ## write schemas/*.json again after a change of the configuration's models
	$(BIN)/autotrader schema

.PHONY: bench
bench: $(VENV)/.dev  ## measure start, check, status and reload, then the speed of the backtest
	$(BIN)/python tests/bench/run.py $(ARGS)
	$(BIN)/python tests/bench/speed/run.py $(ARGS)

.PHONY: bench-peers
bench-peers: $(VENV)/.dev  ## install the other backtesters that the speed bench measures against, below .bench/
	$(BIN)/python tests/bench/speed/install.py $(ARGS)

.PHONY: install
install:  ## install as a systemd service (as root)
	systemd/install.sh

.PHONY: uninstall
uninstall:  ## remove the service and the program; configuration and state stay (as root)
	systemd/install.sh --uninstall

.PHONY: clean
clean:  ## remove the environment and what tools left; var/, where the daemon keeps its state, stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +
