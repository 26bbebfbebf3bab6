"""What a script holds already, through the same loaders as names."""

import pytest

from instrerank.collections import load_instructions, load_qrels, load_run, load_topics, open_passages
from instrerank.errors import InputError
from instrerank.jobs.described import described_instructions
from instrerank.trec import Run, ScoredDoc, Topic

pd = pytest.importorskip("pandas")
ir_measures = pytest.importorskip("ir_measures")

RANKINGS = {"1": [ScoredDoc("b", 2.0), ScoredDoc("a", 1.0)]}
ROWS = [("1", "a", 1.0), ("1", "b", 2.0)]


@pytest.mark.parametrize(
    "source",
    [
        Run("x", RANKINGS),
        {"1": {"a": 1.0, "b": 2.0}},
        {1: [ScoredDoc("a", 1.0), ScoredDoc("b", 2.0)]},
        [ir_measures.ScoredDoc(*row) for row in ROWS],
        pd.DataFrame(ROWS, columns=["query_id", "doc_id", "score"]),
        pd.DataFrame(ROWS, columns=["qid", "docno", "score"]).assign(rank=[1, 0]),
    ],
    ids=["run", "mapping", "rankings", "ir_measures", "frame", "pyterrier"],
)
def test_runs(source):
    assert load_run(source).rankings == RANKINGS


@pytest.mark.parametrize(
    "source",
    [
        {"1": {"a": 1}, 2: {"b": 0}},
        [ir_measures.Qrel("1", "a", 1), ir_measures.Qrel("2", "b", 0)],
        pd.DataFrame({"qid": [1, 2], "docno": ["a", "b"], "label": [1, 0]}),
    ],
    ids=["mapping", "ir_measures", "pyterrier"],
)
def test_qrels(source):
    assert load_qrels(source) == {"1": {"a": 1}, "2": {"b": 0}}


@pytest.mark.parametrize(
    "source",
    [
        [Topic("1", "moon", "no sun")],
        Topic("1", "moon", "no sun"),
        [("1", "moon", "no sun")],
        pd.DataFrame({"qid": ["1"], "query": ["moon"], "instruction": ["no sun"]}),
    ],
    ids=["topics", "one", "tuples", "frame"],
)
def test_topics(source):
    assert load_topics(source) == [Topic("1", "moon", "no sun")]


def test_mappings_of_texts():
    assert load_topics({"1": "moon"}) == [Topic("1", "moon")]
    assert load_instructions({1: "no sun"}) == {"1": "no sun"}
    assert open_passages({"a": "moon"}).lookup(["a", "b"]) == {"a": "moon"}


@pytest.mark.parametrize(
    ("load", "source", "message"),
    [
        (load_run, 7, "cannot read a run from int"),
        (load_run, [("1", "a", 1.0)], "cannot read a run from"),
        (load_run, pd.DataFrame({"qid": ["1"], "docno": ["a"]}), "no column score"),
        (load_run, [ir_measures.ScoredDoc("1", "a", 1.0)] * 2, "duplicate docid a for topic 1"),
        (load_run, {"1": [ScoredDoc("a", 1.0)] * 2}, "duplicate docid"),
        (load_qrels, [ir_measures.Qrel("1", "a", 1)] * 2, "duplicate judgement of a for topic 1"),
        (load_topics, ["moon"], "cannot read topics from list"),
        (load_topics, [("1", None)], "cannot read topics from list"),
    ],
)
def test_what_cannot_be_read(load, source, message):
    with pytest.raises(InputError, match=message):
        load(source)


def test_one_of_several_instructions_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text('{"_id": "7", "instruction_changed": "Neap."}\n')
    assert load_instructions("q.jsonl:changed") == load_instructions(tmp_path / "q.jsonl:changed") == {"7": "Neap."}
    described = described_instructions("q.jsonl:changed", None)
    assert described["source"] == "q.jsonl:changed"
    assert len(described["sha256"]) == 64
    # a file of that name, and one that is not there
    (tmp_path / "q.jsonl:changed").write_text("7\tOther.\n")
    assert load_instructions("q.jsonl:changed") == {"7": "Other."}
    with pytest.raises(InputError, match=r"cannot read missing.jsonl:changed: No such file"):
        load_instructions("missing.jsonl:changed")
