# On a machine with only Python 3.11, `make demo` and `make test` create .venv and install what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin

.PHONY: demo test test-real fuzz kills lint docs bench clean

demo: .venv/demo.installed
	$(BIN)/instrerank demo

test: .venv/dev.installed
	$(BIN)/python -m pytest

# needs the real collections in ../shared/data (or INSTRERANK_REAL_DATA); the tests of all-mpnet-base-v2 are skipped unless
# it lies in ../models (or INSTRERANK_REAL_MODELS), where `../shared/models/build_models.py ../models` puts it
test-real: .venv/dev.installed
	$(BIN)/python -m pytest -m real

# damaged files of every kind against every reader: no traceback, no hang, nothing half written
N ?= 50000
SEED ?= 1
fuzz: .venv/dev.installed
	$(BIN)/python tests/fuzz/fuzz.py $(N) $(SEED)

# every verb that writes, killed at its file events and called again: the same bytes, nothing left behind
KILLS ?= 250
kills: .venv/dev.installed
	$(BIN)/python tests/kills/kills.py $(KILLS) $(SEED)

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

# the pages of the verbs from their parsers, then the site, into site/
docs: .venv/dev.installed
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

# side by side with the peers, as ratios; benchmarks/README.md has the figures
DATA ?= ../shared/data
bench: .venv/dev.installed
	test -d indexes/pool || $(BIN)/instrerank index --corpus $(DATA)/pool/passages.jsonl.gz --index indexes/pool
	$(BIN)/python benchmarks/search.py --index indexes/pool --topics $(DATA)/dl19/topics.tsv
	$(BIN)/python benchmarks/large_runs.py
	$(BIN)/python benchmarks/encode.py --data $(DATA) --topics 4 --rounds 5
	$(BIN)/python benchmarks/reuse.py --data $(DATA)

.venv/%.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$*]'
	touch $@

clean:
	rm -rf .venv build site *.egg-info
