# Everything a person runs, and CI with them. `make` alone lists the targets.

PYTHON ?= $(shell for found in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$found && break; done)
PROVISION = $(if $(PYTHON),$(PYTHON),$(error Python 3.11 or newer is not on PATH: make PYTHON=/path/to/python3)) -m tools.provision
VENV := .venv/bin
CODE := $(wildcard activities api bench db domain simulator telemetry tests tools wechat workflows settings.py worker.py)
LOCK := $(VENV)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup run demo cluster chaos test test-slow test-all lint audit fuzz lock \
	screenshots simulator-tour \
	bench bench-all bench-quick bench-venv

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## provision: virtual environment, Temporal dev server, time-skipping test server
	@$(PROVISION)

run: ## start everything in one command; plays the sample shop day once; Ctrl-C ends it
	@$(PROVISION) venv temporal
	@$(VENV)/python -m tools.run

demo: ## the sample shop day in a temporary directory, checked to the fen
	@$(PROVISION) venv temporal
	@$(VENV)/python -m tools.demo

cluster: ## compose's topology as processes, on PostgreSQL, tried while parts are killed
	@$(PROVISION) venv temporal cluster
	@$(VENV)/python -m tools.cluster

chaos: ## CHAOS_ORDERS random orders while CHAOS_KILLS processes die; nothing lost or paid twice?
	@$(PROVISION) venv temporal
	@$(VENV)/python -m tools.chaos

# 42: all that failed did so on a time-skipping server that stands still (tests/lost_clock.py).
define tests
	@pytest="$(VENV)/python -m pytest -n 2 --dist loadfile $(1)"; $$pytest || { \
		[ $$? -eq 42 ] && echo "The time-skipping server stood still: its tests once more." && \
		$$pytest --last-failed; }
endef

test: ## the fast tests
	@$(PROVISION)
	$(call tests,-rfE)

test-slow: ## only the slow tests
	@$(PROVISION) venv temporal test-server promtool
	$(call tests,-m slow -rfEs)

test-all: test test-slow ## the fast tests, then the slow ones

lint: ## style, types, import contract
	@$(PROVISION) venv
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy $(CODE)
	@$(VENV)/lint-imports

audit: ## known faults of the locked dependencies; says so where the database is out of reach
	@$(PROVISION) venv
	@$(VENV)/python -m tools.audit requirements/runtime.txt requirements/dev.txt

FUZZ_SECONDS ?= 75
fuzz: ## fuzz every reader of what strangers send, FUZZ_SECONDS each
	@$(PROVISION) venv
	@$(VENV)/python -m tools.fuzz --seconds $(FUZZ_SECONDS)

lock: ## pin the dependencies of pyproject.toml, with hashes
	@$(PROVISION) venv
	@$(LOCK) --output-file requirements/runtime.txt
	@$(LOCK) --extra dev --output-file requirements/dev.txt
	@$(LOCK) --extra bench --constraint requirements/runtime.txt --output-file requirements/bench.txt

screenshots: ## pictures of the console in docs/images/, taken with Chromium
	@$(PROVISION) venv temporal
	@$(VENV)/python -m tools.screenshots

simulator-tour: ## what our client concludes beside every fault of the WeChat Pay simulator
	@$(PROVISION) venv
	@$(VENV)/python -m tools.simulator_tour

bench: bench-venv ## the benchmark beside its rivals, in a quarter of an hour; fills docs/performance.md
	@$(VENV)/python -m bench core

bench-all: bench-venv ## all of the benchmark: waiting, growth and the channel's quota too
	@$(VENV)/python -m bench all

bench-quick: ## what an order costs, in exact counts; fails when they are not as written down
	@$(PROVISION) venv temporal
	@$(VENV)/python -m bench quick

bench-venv:
	@$(PROVISION) venv temporal
	@test -x .cache/bench/bin/python || $(VENV)/uv venv --quiet --python $(VENV)/python .cache/bench
	@$(VENV)/uv pip sync --quiet --require-hashes --python .cache/bench/bin/python requirements/bench.txt
