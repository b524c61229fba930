# Thin entry points; every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup lint test test-all demo bench wheels clean
help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/'

setup: $(STAMP)  ## make .venv with pinned dependencies and the editable install

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	# flash-linear-attention's plain references, for the tests: its kernels would need triton and a GPU
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps fla-core einops
	@command -v chromium chromium-browser google-chrome >/dev/null || echo "no Chromium here: tests/browser and\
	 tests/dashboard/test_browser.py will be skipped, each saying so (Debian: apt-get install chromium)"
	touch $(STAMP)

lint: setup      ## ruff and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup      ## the tests (slow marks left out)
	$(BIN)/python -m pytest -m "not slow"

test-all: setup  ## the tests, slow ones too
	$(BIN)/python -m pytest

demo: setup      ## data, training, evaluation and report, small, in under 20 minutes
	$(BIN)/python -m deploy.demo

bench: setup     ## the benchmark table
	$(BIN)/python -m datagen bench

wheels:          ## wheels for the flagship run on a machine without a network (python 3.12, Linux), in wheels/
	rm -rf wheels
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
		--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
		--requirement trainer/flagship/wheels.txt --dest wheels
	@du -sm wheels | awk '{ if ($$1 >= 40) { print "wheels/ must stay under 40 MB, has " $$1; exit 1 } print "wheels/: " $$1 " MB" }'

clean:           ## remove .venv
	rm -rf $(VENV)
