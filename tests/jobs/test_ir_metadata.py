"""Sidecars are valid by ir_metadata's own checklists."""

from pathlib import Path

import ir_metadata
import jsonschema
import pytest
import yaml
from search_server import FakeServer, serving

import instrerank as ir
from instrerank.jobs.sidecar import read_sidecar

TOPICS = {"1": "moon", "2": "bread"}
TEXTS = {"d1": "the moon", "d2": "bread and moon"}
RUN = {qid: {"d1": 2, "d2": 1} for qid in TOPICS}

PUBLISHED = """
schema-version: 0.1
run-version: 1.0
tag: h2oloo.example
platform:
  hardware: {cpu: {model: Xeon, architecture: x86_64, operation mode: 64-bit, number of cores: 16}, ram: 32 GB}
  operating system: {kernel: GNU/Linux 4.15.0-166-generic, distribution: Ubuntu 18.04.5 LTS}
  software: {libraries: {python: [blas==1.0], java: [lucene==7.6]}, retrieval toolkit: [anserini==0.3.0]}
research goal:
  venue: {name: ECIR, year: 2019}
  evaluation: {reported measures: [map, P_10], baseline: [WCrobust04], significance test: [{name: t-test}]}
implementation: {executable: {cmd: python generate_runs.py}, source: {lang: [python], commit: 9548cd6}}
method:
  automatic: true
  indexing: {tokenizer: StandardTokenizer, stemmer: PorterStemFilter, stopwords: STOP_WORDS_SET}
  retrieval: [{name: bm25, b: 0.4, k1: 0.9}, {name: ensemble, ensembles: [bm25]}]
actor: {name: Jimmy Lin, fields: [nlp, ir], role: reproducer}
data:
  test collection: {name: The New York Times, topics: https://trec.nist.gov, ir_datasets: https://ir-datasets.com/nyt}
  training data: [{name: TREC disks 4 and 5, source: https://trec.nist.gov/data/cd45}]
"""
"""The form of the examples of the site."""


def validate(metadata):
    jsonschema.validate(metadata, ir_metadata.SCHEMA)


@pytest.fixture
def reranked(tmp_path, words):
    (tmp_path / "topics.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in TOPICS.items()))
    settings = {"corpus": TEXTS, "instruction": "without sun", "fusion": "rrf", "max_passage": "max"}
    ir.rerank(RUN, tmp_path / "topics.tsv", encoder=words, output=tmp_path / "run.txt", limit=2, **settings)
    return tmp_path / "run.txt"


def test_the_schema_takes_the_sites_own_examples_and_no_unknown_field():
    published = yaml.safe_load(PUBLISHED)
    validate(published)
    published["method"]["colour"] = "blue"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        validate(published)


def test_a_reranking(reranked):
    validate(read_sidecar(reranked))


def test_a_search(tmp_path):
    with serving(FakeServer(tides=TEXTS)) as url:
        ir.search(TOPICS, "tides", server=url, output=tmp_path / "run.txt")
    validate(read_sidecar(tmp_path / "run.txt"))


@pytest.mark.java
def test_a_bm25_search(tmp_path):
    ir.build_index([ir.Passage(*passage) for passage in TEXTS.items()], tmp_path / "index")
    ir.search(TOPICS, tmp_path / "index", output=tmp_path / "run.txt")
    validate(read_sidecar(tmp_path / "run.txt"))


def test_the_runs_of_this_repository():
    runs = sorted((Path(__file__).parents[2] / "runs").glob("run.*.txt"))
    assert runs
    for run in runs:
        validate(read_sidecar(run))
