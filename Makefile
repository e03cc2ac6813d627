# Every target makes its own virtual environment where there is none.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Many tests wait for a process or a clock, so twice as many run as there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
READY  := $(VENV)/.ready

.PHONY: demo test check lint types bench soak pictures clean

demo: $(READY)
	$(BIN)/rtproxy demo

test: $(READY) tests/foreign/.ready tests/foreign/mitmproxy/.ready tests/components/.ready
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal

check: lint types test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m bench

soak: $(READY)
	$(BIN)/python -m tests.attacks.soak

pictures: $(READY) tests/components/.ready
	$(BIN)/python -m tests.pictures

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rtproxy needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# Where node is present, its msgpack library and its voice agents are part of the tests.
tests/foreign/.ready: tests/foreign/package.json
	if command -v npm >/dev/null; then cd tests/foreign && npm install --silent --no-audit --no-fund; fi
	touch $@

# mitmproxy, whose recordings are imported.
tests/foreign/mitmproxy/.ready: tests/foreign/mitmproxy/install
	tests/foreign/mitmproxy/install $(PYTHON)
	touch $@

# Programs that the tests use for real: a browser, and readers of audio files that are not ours.
tests/components/.ready: tests/components/install
	tests/components/install
	touch $@

clean:
	rm -rf $(VENV) tests/foreign/node_modules tests/foreign/.ready tests/foreign/mitmproxy/.ready tests/foreign/mitmproxy/.venv tests/components/.ready .mypy_cache .ruff_cache .pytest_cache
