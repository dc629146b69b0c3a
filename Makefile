# Perfect Catch. `make` alone prints what there is. Needs Python 3.11 or newer and make, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

# A virtual environment whose Python has gone (a system upgrade) is made anew.
ifneq ($(wildcard .venv),)
    $(shell $(BIN)/python -I -c 'import pip' 2>/dev/null || rm -f .venv/.made .venv/.runtime .venv/.dev)
endif

# Newer versions first, but only one that runs, is new enough and can make a virtual environment.
FIND_PYTHON := for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python3.14 python; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		found=$$python; \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && break; \
		found= lacking=$$python; \
	done

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: .venv/.runtime ## Start everything on this machine with a made-up company; ARGS="--once" for one cycle
	@exec $(BIN)/perfectcatch up --sandbox $(ARGS)

.PHONY: test
test: .venv/.dev ## Run the whole test suite; ARGS="-k word" for a part of it
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

.PHONY: check
check: .venv/.dev ## Check style, formatting, types and the house rules, without a database
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet --durations=0 --durations-min=10 tests/test_architecture.py tests/test_docs.py

.PHONY: format
format: .venv/.dev ## Format the code and mend what can be mended without a decision
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: .venv/.dev ## Write the generated documents anew: settings, commands, entities, events, endpoints
	$(BIN)/python tools/docs.py

.PHONY: bench
bench: .venv/.dev ## Measure speed and memory; prints figures, never fails by time
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: reliability
reliability: .venv/.dev ## Run the tests that kill processes, cut connections and lose answers
	@$(BIN)/python -m pytest -m reliability $(ARGS)

.PHONY: install
install: .venv/.dev ## Make .venv with everything that development needs

.PHONY: lock
lock: .venv/.dev ## Lock the dependencies again; UPGRADE=1 takes newer releases
	$(COMPILE) requirements/runtime.in requirements/build.in --output-file requirements/runtime.txt
	$(COMPILE) requirements/dev.in --constraint requirements/runtime.txt --output-file requirements/dev.txt

.PHONY: clean
clean: ## Remove what can be made again: .venv and caches, never the data directory
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is younger than what it was installed from; an interrupted installation leaves none. Where Python is
# told to write no bytecode every command would compile all of ours again: 0.4 s of 1.6.
.venv/.runtime: requirements/runtime.txt pyproject.toml requirements/hatch_dependencies.py | .venv/.made
	@echo "Installing Perfect Catch (the first time takes a minute) ..."
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml requirements/hatch_dependencies.py | .venv/.made
	@echo "Installing Perfect Catch for development (the first time takes a minute) ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/.made:
	@$(FIND_PYTHON); \
	if [ -z "$$found" ] && [ -n "$$lacking" ]; then \
		version=$$("$$lacking" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
		echo "$$lacking cannot make virtual environments: install its venv package" \
			"(Debian, Ubuntu: apt-get install $$version-venv), then run make again." >&2; exit 1; \
	elif [ -z "$$found" ]; then \
		echo "Perfect Catch needs Python 3.11 or newer and found none: install one" \
			"(Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python." >&2; \
		exit 1; \
	fi; \
	"$$found" -m venv --clear .venv && touch $@
