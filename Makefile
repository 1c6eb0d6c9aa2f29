# The commands of a developer and of one who tries jexevents out. Everything that is installed
# stands in .venv, everything that is fetched in .cache, everything that is made in var.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A Python that keeps nothing of what it has compiled compiles it all at each start of a process.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.installed: setup.cfg setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "jexevents needs Python 3.10 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (the first time takes about a minute) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: run
run: $(VENV)/.installed ## Provide the servers, start the daemon, publish a sample log, show its jobs
	@exec $(BIN)/python -m jexevents.tryout

.PHONY: watch-log
watch-log: $(VENV)/.installed ## The same with a log that grows: see its events come into the ledger
	@exec $(BIN)/python -m jexevents.tryout watch-log

.PHONY: test
test: $(VENV)/.installed ## Run all tests, against real servers
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: bench
bench: $(VENV)/.installed ## Measure all rates, write docs/performance.md (about an hour)
	@exec $(BIN)/python -m bench

.PHONY: bench-quick
bench-quick: $(VENV)/.installed ## Measure all with small sizes, write into var/bench (a few minutes)
	@exec $(BIN)/python -m bench --quick

.PHONY: pictures
pictures: $(VENV)/.installed ## Make the pictures of the dashboard in docs/images, in a real browser
	JEXEVENTS_PICTURES=docs/images $(BIN)/python -m pytest --quiet tests/browser/test_pictures.py

.PHONY: faults
faults: $(VENV)/.installed ## Run the fault tests in their full form, which takes most of an hour
	JEXEVENTS_FAULTS=full $(BIN)/python -m pytest tests/faults

.PHONY: contract
contract: $(VENV)/.installed ## Have schemathesis try the interface for five minutes
	JEXEVENTS_TEST_CONTRACT_SECONDS=300 $(BIN)/python -m pytest tests/contract

.PHONY: reference
reference: $(VENV)/.installed ## Write man/jexevents.1 and the reference in docs/cli.md
	$(BIN)/python -m jexevents.cli.reference

.PHONY: lint
lint: $(VENV)/.installed ## Check style and the direction of the imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --quiet tests/unit/test_imports.py

.PHONY: clean
clean: ## Remove what was made, the data of make run included
	rm -rf $(VENV) .cache var build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
