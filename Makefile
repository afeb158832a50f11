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

.PHONY: demo serve test lint format export bench clean

demo: $(SERVED)  ## Photographs in every style, from a server of its own, into out/demo
	$(BIN)/atelier demo

serve: $(SERVED)  ## The server on localhost:8001
	$(BIN)/atelier serve

test: $(DEVELOPED)  ## All tests, warnings as errors
	$(BIN)/python -m pytest -W error

lint: $(DEVELOPED)  ## Style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEVELOPED)  ## Formats and mends what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

export: $(DEVELOPED)  ## Publishes the checkpoints to model_repository
	$(BIN)/atelier export style

bench: $(SERVED)  ## Throughput, added latency and memory of the service
	$(BIN)/python tests/bench/style_service.py

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
