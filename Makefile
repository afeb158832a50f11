# Each target installs what it needs into .venv: `make demo` the server, `make test` PyTorch and the
# tools too. It installs again only when pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# ONNX Runtime for the GPU and for the CPU share one module name, so only one can be installed.
SERVING := $(if $(shell command -v nvidia-smi),serving,serving-cpu)
SERVED := $(VENV)/.served
DEVELOPED := $(VENV)/.developed
TOOLS := $(VENV)/tools

export ORT_DISABLE_TELEMETRY := 1
# Tests start the same modules in hundreds of processes, which need not compile them each time.
unexport PYTHONDONTWRITEBYTECODE

# Four workers on any number of cores, so that tests run the same way everywhere: half of the time
# they wait for servers. A worker gets whole files, so that a file's fixtures (servers, trained
# networks) are made once.
WORKERS := 4
PYTEST = $(BIN)/python -m pytest -W error --numprocesses $(WORKERS) \
	--dist loadfile --no-loadscope-reorder
# The files whose tests start Triton, train, export or optimise a network, or take long; all others
# are fast. They come first and in this order, the longest at the beginning and those that compute
# beside those that wait, so that no core is idle and no file runs alone at the end.
SLOW := $(addprefix tests/, \
	test_whole_service.py \
	serving/reload/test_failed_reload.py \
	export/classifier/test_family.py \
	clients/test_real_server.py \
	export/style/test_training.py \
	serving/reload/test_reload_signals.py \
	serving/test_clients_that_break_off.py \
	model_repository/test_stylize_options.py \
	serving/test_restart.py \
	export/gatys/test_painting.py \
	serving/test_server.py \
	serving/test_nothing_is_left.py \
	clients/loadtest/test_capacity.py \
	serving/test_serve_command.py \
	export/style/test_evaluation.py \
	clients/test_real_autoencoder.py \
	serving/reload/test_reload.py \
	clients/loadtest/test_loadtest_command.py \
	clients/test_several_real_servers.py \
	export/publishing/test_repository.py \
	model_repository/test_shared_memory.py \
	clients/loadtest/test_mlperf.py \
	backend/test_served_models.py \
	export/training/test_loop.py \
	clients/test_codec.py \
	tuning/test_tune_command.py \
	model_repository/test_drain.py \
	export/generator/test_training.py \
	backend/test_refused_models.py \
	clients/test_real_restart.py \
	clients/loadtest/test_compare.py \
	model_repository/test_abandoned.py \
	serving/test_plain_paths.py \
	model_repository/test_queue.py \
	model_repository/test_classify.py \
	deploy/test_prometheus.py \
	serving/test_chaos.py \
	deploy/test_serve_triton.py \
	serving/test_strangers.py \
	serving/test_proxy.py \
	serving/test_tracing.py \
	model_repository/test_metrics.py \
	clients/test_real_classifier.py \
	serving/test_http_is_closed.py \
	serving/test_drain.py \
	test_other_languages.py \
	clients/loadtest/test_processes.py \
	clients/loadtest/test_workload.py \
	serving/test_closed_to_clients.py \
	serving/test_backend_options.py \
	clients/test_completion.py \
	clients/loadtest/test_report_in_browser.py \
	model_repository/test_stylize.py \
	model_repository/test_malformed.py \
	model_repository/test_generate.py \
	export/generator/test_family.py \
	export/style/test_compare_style_networks.py \
	export/style/test_export.py \
	export/style/test_int8.py \
	export/vae/test_family.py)
export SLOW_TESTS := $(SLOW)


.DEFAULT_GOAL := help
.PHONY: help demo serve test test-fast lint format export manifests bench chaos deploy-check fuzz audit \
	sbom clean

help:  ## Lists the commands
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(SERVED)  ## Starts a server and repaints photographs in every style into out/demo
	$(BIN)/atelier demo

serve: $(SERVED)  ## Starts the server on localhost:8001
	$(BIN)/atelier serve

test: $(DEVELOPED)  ## Runs all tests, warnings as errors
	$(PYTEST)

test-fast: $(DEVELOPED)  ## Runs the tests that need no server and train nothing, in less than a minute
	$(PYTEST) $(addprefix --ignore=,$(SLOW))

# These wait for nothing, and each worker imports PyTorch.
test-fast: WORKERS := 2

lint: $(DEVELOPED)  ## Checks style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	set -e; for folder in $$(dirname model_repository/*/1/model.py); do \
		(cd $$folder; "$(CURDIR)/$(BIN)/mypy" --config-file "$(CURDIR)/pyproject.toml" \
			--cache-dir "$(CURDIR)/.mypy_cache/$$folder" *.py); done

format: $(DEVELOPED)  ## Formats the code and fixes what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

export: $(DEVELOPED)  ## Publishes every family's checkpoint to model_repository
	$(BIN)/atelier export all

fuzz: $(DEVELOPED)  ## Feeds a hundred thousand broken inputs to each reader, and 20,000 requests to a server
	cd tests && ../$(BIN)/python -m fuzzing

audit: $(DEVELOPED) | $(TOOLS)  ## Looks for known holes in what is installed; asks pypi.org
	$(BIN)/pip list --format=freeze --exclude-editable > $(TOOLS)/installed.txt
	$(TOOLS)/bin/pip-audit --strict --no-deps --disable-pip -r $(TOOLS)/installed.txt

sbom: $(SERVED) | $(TOOLS)  ## Lists what is installed in out/sbom.json (CycloneDX)
	mkdir -p out
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		-o out/sbom.json $(BIN)/python

manifests: $(DEVELOPED)  ## Writes configurations and manifests anew, after a change of a template or of a model's code
	$(BIN)/atelier export all --configurations
	$(BIN)/atelier manifest $(addprefix model_repository/,classify/1 generate/1 latents/1 stylize/1)

bench: $(SERVED)  ## Measures throughput, added latency and memory of the service, and 8 bits beside float32
	$(BIN)/python bench/style_service.py
	$(BIN)/python bench/int8.py

CHAOS ?= --seconds 3600
chaos: $(SERVED)  ## An hour of mixed traffic with faults, into out/chaos.json; CHAOS="--seconds 600" for less
	$(BIN)/python bench/chaos.py $(CHAOS)

deploy-check: $(DEVELOPED)  ## Checks the recipes in deploy/, as far as that goes without a container engine or a cluster
	@command -v promtool prometheus >/dev/null || { echo "Needs Prometheus: apt-get install prometheus"; exit 1; }
	$(BIN)/pip install --quiet --editable '.[deploy-check]'
	DEPLOY_CHECK=1 $(PYTEST) tests/deploy
	@if [ "$$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then python3 deploy/check_cpu_image.py; \
		else echo "Not run, for it needs root and debootstrap: deploy/check_cpu_image.py"; fi

clean:  ## Removes .venv, out and dist
	rm -rf $(VENV) out dist

# Triton's Python backend needs numpy 1.26, which has no wheels for Python 3.13.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
		{ echo "Serving needs Python 3.11 or 3.12: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Apart from what they look at.
$(TOOLS): | $(VENV)/bin/python
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet 'pip-audit>=2.9,<3' 'cyclonedx-bom>=7,<8'

$(SERVED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[samples,$(SERVING)]'
	touch $@

$(DEVELOPED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev,export,$(SERVING)]'
	touch $(SERVED) $@
