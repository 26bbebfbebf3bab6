# On a machine with only Python 3.11, `make demo` and `make test` create .venv and install what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin

.PHONY: demo test test-real lint clean

demo: .venv/demo.installed
	$(BIN)/instrerank demo

test: .venv/dev.installed
	$(BIN)/python -m pytest

# needs the real collections in ../shared/data (or INSTRERANK_REAL_DATA)
test-real: .venv/dev.installed
	$(BIN)/python -m pytest -m real

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/%.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$*]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
