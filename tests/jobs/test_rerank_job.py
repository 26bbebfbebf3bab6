"""Reranking as a function: what a verb writes, from names or from memory."""

from pathlib import Path

import pytest
import yaml

import instrerank as ir
from instrerank.cli import main

RUN = "01 Q0 a 1 9 bm25\n01 Q0 b 2 8 bm25\n01 Q0 c 3 7 bm25\n2 Q0 c 1 3 bm25\n2 Q0 a 2 2 bm25\n"
TEXTS = {"a": "the sun", "b": "moon and sun and moon", "c": "moon tide"}
TOPICS = [("01", "moon"), ("2", "sun")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text(RUN)
    (tmp_path / "topics.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in TOPICS))
    (tmp_path / "passages.tsv").write_text("".join(f"{docid}\t{text}\n" for docid, text in TEXTS.items()))
    return tmp_path


def sidecar(name):
    found = yaml.safe_load(Path(f"{name}.yaml").read_text("utf-8"))
    found["run"].pop("seconds")
    return found


def test_a_script_and_the_verb_write_the_same(folder, words):
    ir.rerank("run.txt", "topics.tsv", corpus="passages.tsv", encoder=words, output="script.txt", instruction="no sun")
    flags = ["--run", "run.txt", "--topics", "topics.tsv", "--corpus", "passages.tsv", "--encoder", "words"]
    assert main(["rerank", *flags, "--instruction", "no sun", "--output", "verb.txt"]) == 0
    assert (folder / "script.txt").read_bytes() == (folder / "verb.txt").read_bytes()
    script, verb = sidecar("script.txt"), sidecar("verb.txt")
    commands = [found["implementation"]["executable"].pop("cmd") for found in (script, verb)]
    assert script == verb
    assert commands[0].replace("script.txt", "verb.txt") == commands[1]
    assert commands[1].startswith(
        "instrerank rerank --run run.txt --topics topics.tsv --corpus passages.tsv --encoder"
    )


def test_data_in_memory_gives_the_same_run_and_is_recorded_by_its_hash(folder, words):
    named = ir.rerank("run.txt", "topics.tsv", corpus="passages.tsv", encoder=words)
    first_stage = {"01": {"a": 9, "b": 8, "c": 7}, "2": {"c": 3, "a": 2}}
    held = ir.rerank(first_stage, TOPICS, corpus=TEXTS, encoder=words, output="held.txt")
    assert held.rankings == named.rankings
    assert (held.tag, held.output.name, held.counts) == ("words", "held.txt", named.counts)
    found = sidecar("held.txt")
    stage, topics = found["method"]["retrieval"][0], found["data"]["other"][0]
    assert stage["source"] == topics["source"] == "in memory"
    assert len(stage["sha256"]) == len(topics["sha256"]) == 64
    changed = ir.rerank(first_stage, [("01", "moon"), ("2", "moon")], corpus=TEXTS, encoder=words, output="other.txt")
    assert changed.rankings != held.rankings
    assert sidecar("other.txt")["data"]["other"][0]["sha256"] != topics["sha256"]


def test_a_result_stands_for_its_run(folder, words):
    once = ir.rerank("run.txt", "topics.tsv", corpus=TEXTS, encoder=words)
    again = ir.rerank(once, "topics.tsv", corpus=TEXTS, encoder=words, fusion="rrf", runtag="fused")
    assert (again.tag, again.rankings.keys()) == ("fused", {"01", "2"})
    assert ir.evaluate(again, {"01": {"b": 1}}, ["recip_rank"], topics=[("01", "moon")]).means["recip_rank"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hitz": 3}, r"unknown parameter `hitz` \(nearest: `hits`\)"),
        ({"dtype": "int9"}, "unknown `dtype` 'int9'. Available: float32, bfloat16"),
        ({"hits": 0}, "`hits` must be at least 1, got 0"),
        ({"fusion": "sum"}, "unknown `fusion` 'sum'. Available: none, interpolate, rrf"),
        ({"max_passage": "sum"}, "unknown `max_passage` 'sum'. Available: max, first, mean"),
        ({"max_passage_stride": 3}, "`max_passage_stride` needs `max_passage`"),
        ({"dtype": "cascade", "fusion": "rrf"}, "`fusion` and `max_passage` need exact scores of all candidates"),
        ({"kind": "crossencoder", "pooling": "mean"}, "`pooling` cannot be used with `kind` crossencoder"),
        ({"instruction": "a", "instructions": {"01": "b"}}, "not both"),
        ({"instructions": {"01": "b"}}, "no instruction for 1 of 2 topics: 2"),
        ({"output": "run.txt"}, "`output` run.txt is also the input `run`"),
        ({"topics": None}, "reranking run.txt needs `topics`"),
        ({"index": "indexes/x"}, "either `corpus` or `index`, not both"),
        ({"exclude": {"7": ["a"]}}, "documents are excluded for 1 qids that neither the run nor the topics have: 7"),
        ({"empty": "skip"}, "unknown `empty` 'skip'. Available: error, score-last"),
        ({"limit": -1}, "`limit` must be at least 1, got -1"),
    ],
)
def test_what_is_refused_in_the_words_of_a_script(folder, words, settings, message):
    given = {"topics": "topics.tsv", "corpus": "passages.tsv", "encoder": words, **settings}
    with pytest.raises(ir.InputError, match=message):
        ir.rerank("run.txt", **given)


def test_topics_without_instruction_go_without_one_on_request_and_are_counted(folder, words, caplog):
    given = {"corpus": TEXTS, "encoder": words, "instructions": {"01": "without sun"}, "missing": "skip"}
    assert ir.rerank("run.txt", TOPICS, **given).counts["queries with instruction"] == 1
    assert "1 of 2 topics have no instruction" in caplog.text


def test_empty_documents_are_recorded_where_they_may_rank_last(folder, words):
    given = {"encoder": words, "empty": "score-last", "output": "run.empty.txt"}
    result = ir.rerank("run.txt", TOPICS, corpus={**TEXTS, "b": " "}, **given)
    assert result.counts["candidates with empty text"] == 1
    assert "1 candidate with empty text ranked last" in result.summary
    record = sidecar("run.empty.txt")
    assert record["method"]["retrieval"][1]["empty"] == "score-last"
    assert "--empty score-last" in record["implementation"]["executable"]["cmd"]
    plain = ir.rerank("run.txt", TOPICS, corpus=TEXTS, encoder=words, output="run.plain.txt")
    assert "candidates with empty text" not in plain.counts
    assert "empty" not in sidecar("run.plain.txt")["method"]["retrieval"][1]


def test_excluded_documents_are_dropped_before_the_candidates_are_cut(folder, words):
    plain = ir.rerank("run.txt", TOPICS, corpus=TEXTS, encoder=words)
    first = [document.docid for document in ir.load_run("run.txt").rankings["01"]]
    (folder / "excluded.txt").write_text(f"01 0 {first[0]} 1\n01 0 {first[1]} 0\n")
    given = {"corpus": TEXTS, "encoder": words, "hits": 1}
    result = ir.rerank("run.txt", TOPICS, exclude="excluded.txt", output="run.kept.txt", **given)
    assert [document.docid for document in result.run.rankings["01"]] == first[1:]
    assert result.run.rankings["2"][0].docid in {document.docid for document in plain.run.rankings["2"]}
    record = sidecar("run.kept.txt")
    assert record["method"]["retrieval"][0]["excluded"]["documents"] == 1
    assert "--exclude excluded.txt" in record["implementation"]["executable"]["cmd"]
    assert "excluded" not in (folder / "run.kept.txt").read_text()


def test_topics_that_retrieve_themselves_are_warned_of(folder, words, caplog):
    ir.rerank({"a": {"a": 2, "b": 1}}, [("a", "moon")], corpus=TEXTS, encoder=words)
    assert "1 of 1 topics rank a document whose docid is their own qid: a" in caplog.text


def test_the_command_names_the_kind_of_a_loaded_model(folder, words, monkeypatch):
    monkeypatch.setattr(type(words), "kind", "crossencoder")
    ir.rerank("run.txt", "topics.tsv", corpus="passages.tsv", encoder=words, output="run.pairs.txt")
    assert "--encoder-kind crossencoder" in sidecar("run.pairs.txt")["implementation"]["executable"]["cmd"]
