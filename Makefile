# `make up` runs Ampstream with five simulated stations; `make test` proves it. Both start from a clean clone and need only
# python3 (3.11 or newer, with the venv module). The dependencies come from requirements.lock, hashes checked.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Three test processes for two cores: the suite waits for real servers more than it computes. JOBS=0 runs it in one.
JOBS ?= 3
ARGS ?=

# Images that must not grow set it. Here each of hundreds of processes would compile all of Ampstream again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install up test lint types contracts fresh tests bench observe lock generate format clean

help: ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ampstream needs Python 3.11 or newer; say which with: make PYTHON=python3.12 up" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3 lacks the venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "installing the locked dependencies ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(INSTALLED) ## make .venv and install everything

up: $(INSTALLED) ## run Valkey, an edge, a worker and five charging stations (ARGS="--stations 20")
	@exec $(BIN)/ampstream up $(ARGS)

test: lint types contracts fresh tests ## everything: lint, types, import contracts, freshness, tests

lint: $(INSTALLED) ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

contracts: $(INSTALLED) ## who may import whom
	$(BIN)/lint-imports --no-cache

fresh: $(INSTALLED) ## generated files equal their sources
	$(BIN)/python -m tools.generate_ocpp_types --check
	$(BIN)/python -m tools.generate_docs --check
	$(BIN)/python -m grafana --check
	$(BIN)/python -m deploy --check

tests: $(INSTALLED) ## pytest (ARGS="-k name")
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(ARGS)

bench: $(INSTALLED) ## measure a system that the benchmark starts itself
	@ls /usr/lib*/libjemalloc.so.2 /usr/lib/*/libjemalloc.so.2 >/dev/null 2>&1 || .ci/apt-install libjemalloc2 || echo "measuring without jemalloc"
	$(BIN)/ampstream bench $(ARGS)

observe: $(INSTALLED) ## prove metrics, alerts and dashboards with a real Prometheus (6 minutes; ARGS=--pictures draws them)
	@.ci/apt-install prometheus=prometheus prometheus-alertmanager=prometheus-alertmanager prometheus-redis-exporter=prometheus-redis-exporter
	$(BIN)/python -m tests.observe $(ARGS)

generate: $(INSTALLED) ## write the generated files anew
	$(BIN)/python -m tools.generate_ocpp_types
	$(BIN)/python -m tools.generate_docs
	$(BIN)/python -m grafana
	$(BIN)/python -m deploy

format: $(INSTALLED) ## ruff: format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: ## resolve requirements.lock anew from pyproject.toml
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q uv; }
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --extra otel --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --custom-compile-command 'make lock' -o requirements.lock

clean: ## remove caches and .venv (never ./data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info tools/pictures/node_modules tools/pictures/dist
	find . -name __pycache__ -prune -exec rm -rf {} +
