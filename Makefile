# Each target sets up what it needs in .venv by itself: `make demo` what serving takes, `make test`
# PyTorch and the tools as well. It installs again only when pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# ONNX Runtime for the GPU and for the CPU are one module, so a machine gets one of the two.
SERVING := $(if $(shell command -v nvidia-smi),serving,serving-cpu)
SERVED := $(VENV)/.served
DEVELOPED := $(VENV)/.developed

export ORT_DISABLE_TELEMETRY := 1

# Two workers, however many cores there are, so that a test runs the same way everywhere. A worker
# gets whole files: their fixtures, servers and trained networks among them, are made once.
PYTEST := $(BIN)/python -m pytest -W error --numprocesses 2 --dist loadfile
# The files whose tests start Triton, or train or export a network: a list, so that new tests are
# fast ones until they are named here.
SLOW := $(addprefix tests/, \
	test_whole_service.py \
	clients/test_real_server.py \
	export/classifier/test_family.py \
	export/style/test_compare_style_networks.py \
	export/style/test_export.py \
	export/style/test_training.py \
	export/vae/test_family.py \
	model_repository/test_classify.py \
	model_repository/test_drain.py \
	model_repository/test_malformed.py \
	model_repository/test_stylize.py \
	model_repository/test_stylize_options.py \
	serving/backend/test_refused_models.py \
	serving/backend/test_served_models.py \
	serving/reload/test_failed_reload.py \
	serving/reload/test_reload.py \
	serving/reload/test_reload_signals.py \
	serving/test_closed_to_clients.py \
	serving/test_nothing_is_left.py \
	serving/test_serve_command.py \
	serving/test_server.py)


.DEFAULT_GOAL := help
.PHONY: help demo serve test test-fast lint format export bench clean

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(SERVED)  ## Photographs in every style, from a server of its own, into out/demo
	$(BIN)/atelier demo

serve: $(SERVED)  ## The server on localhost:8001
	$(BIN)/atelier serve

test: $(DEVELOPED)  ## All tests, warnings as errors
	$(PYTEST)

test-fast: $(DEVELOPED)  ## Those that need no server and train nothing, in less than a minute
	$(PYTEST) $(addprefix --ignore=,$(SLOW))

lint: $(DEVELOPED)  ## Style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEVELOPED)  ## Formats and mends what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

export: $(DEVELOPED)  ## Publishes every family's checkpoint to model_repository
	$(BIN)/atelier export all

bench: $(SERVED)  ## Throughput, added latency and memory of the service
	$(BIN)/python bench/style_service.py

clean:  ## Removes the environment and what was made
	rm -rf $(VENV) out dist

# Triton's Python backend needs numpy 1.26, which has no wheels for Python 3.13.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
		{ echo "Serving takes Python 3.11 or 3.12: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(SERVED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[samples,$(SERVING)]'
	touch $@

$(DEVELOPED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev,export,$(SERVING)]'
	touch $(SERVED) $@
