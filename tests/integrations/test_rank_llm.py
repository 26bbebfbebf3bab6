"""rank_llm's JSONL against rank_llm itself, and the verbs that read and write it."""

import json

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.integrations.rank_llm import read_requests, write_requests
from instrerank.reranking import select_candidates
from instrerank.trec import Run, ScoredDoc, Topic, read_run

TOPICS = [Topic("01", "moon", "without sun"), Topic("2", "brød 🍞")]
RUN = Run("bm25", {"01": [ScoredDoc("b", 9.5), ScoredDoc("a", 9.25)], "2": [ScoredDoc("7", 0.1)]})
TEXTS = {"a": "the sun", "b": "moon  and\nsun", "7": "bread\u2028rises"}


@pytest.fixture
def requests(tmp_path):
    candidates, _ = select_candidates(RUN, TOPICS, TEXTS, hits=100)
    write_requests(tmp_path / "requests.jsonl", candidates, TEXTS)
    return tmp_path / "requests.jsonl"


def test_what_is_written_reads_back(requests):
    topics, run, texts = read_requests(requests)
    assert (topics, texts) == (TOPICS, TEXTS)
    assert run.tag == "rank_llm"
    assert {qid: [docid for docid, _ in ranking] for qid, ranking in run.rankings.items()} == {
        "01": ["b", "a"],
        "2": ["7"],
    }
    assert json.loads(requests.read_text().split("\n")[1])["candidates"][0]["score"] == 0.1


@pytest.mark.rank_llm
def test_rank_llm_reads_the_same(requests):
    from rank_llm.data import Candidate, Query, Request, read_requests_from_file

    assert read_requests_from_file(str(requests)) == [
        Request(
            Query(text="moon", qid="01"),
            [Candidate("b", 9.5, {"contents": "moon  and\nsun"}), Candidate("a", 9.25, {"contents": "the sun"})],
        ),
        Request(Query(text="brød 🍞", qid="2"), [Candidate("7", 0.1, {"contents": "bread\u2028rises"})]),
    ]


@pytest.mark.rank_llm
def test_results_that_rank_llm_writes_are_read(tmp_path):
    from rank_llm.data import Candidate, DataWriter, Query, Result

    results = [
        Result(
            Query(text="moon", qid=1),
            [
                Candidate("b", 2, {"title": "Sky", "text": "the moon"}),
                Candidate(7, 1.5, {"content": "the sun"}),
                Candidate("c", 1.0, {"docid": "other", "title": "", "segment": "tides", "url": "x"}),
            ],
        ),
        Result(Query(text="bread", qid="2"), []),
    ]
    path = tmp_path / "results.jsonl"
    DataWriter(results[0]).write_in_jsonl_format(str(path))
    DataWriter(results[1:], append=True).write_in_jsonl_format(str(path))
    topics, run, texts = read_requests(path)
    assert topics == [Topic("1", "moon"), Topic("2", "bread")]
    assert run.rankings == {"1": [ScoredDoc("b", 2.0), ScoredDoc("7", 1.5), ScoredDoc("c", 1.0)], "2": []}
    assert texts == {"b": "Sky the moon", "7": "the sun", "c": "tides"}


def request(qid="1", text="moon", candidates=({"docid": "a", "score": 1, "doc": {"text": "sun"}},)):
    return json.dumps({"query": {"qid": qid, "text": text}, "candidates": list(candidates)})


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "empty file: contains no requests"),
        (["{"], ":1: not JSON"),
        (["[1]"], ':1: expected {"query": {"qid": …'),
        ([request(), request()], ":2: duplicate qid 1, first on line 1"),
        ([request(text=" ")], ":1: qid 1 has an empty text"),
        ([request(candidates=[{"docid": "a"}])], ":1: candidate {'docid': 'a'}: expected"),
        ([request(candidates=[{"docid": "a", "score": float("nan"), "doc": {"text": "b"}}])], "not a finite number"),
        ([request(candidates=[{"docid": "a", "score": 10**400, "doc": {"text": "b"}}])], "as float32"),
        (
            [request(candidates=[{"docid": "a", "score": 1, "doc": {"url": "b"}}])],
            ":1: expected one of pid, docid, id, _id",
        ),
        ([request(candidates=[{"docid": "a", "score": 1, "doc": {"text": "b"}}] * 2)], "duplicate docid among its 2"),
        (
            [request(), request("2", candidates=[{"docid": "a", "score": 1, "doc": {"text": "moon"}}])],
            ":2: docid a has a different text on an earlier line",
        ),
    ],
)
def test_bad_requests_are_told_with_their_lines(tmp_path, lines, complaint):
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(InputError) as error:
        read_requests(path)
    assert complaint in str(error.value)


def test_rerank_takes_topics_instructions_and_texts_from_requests(requests, tmp_path, words):
    output = tmp_path / "run.txt"
    assert main(["rerank", "--run", str(requests), "--encoder", "words", "--output", str(output)]) == 0
    assert words.queries == [("moon", "without sun"), ("brød 🍞", "")]
    assert read_run(output).rankings["01"] == [ScoredDoc("b", -1.0), ScoredDoc("a", -2.0)]


def test_topics_and_passages_that_are_given_take_their_place(requests, tmp_path, words):
    (tmp_path / "topics.tsv").write_text("01\tsun\n2\tmoon\n")
    (tmp_path / "passages.tsv").write_text("a\tsun sun\nb\tmoon\n7\tmoon\n")
    flags = ["--topics", str(tmp_path / "topics.tsv"), "--corpus", str(tmp_path / "passages.tsv")]
    output = tmp_path / "run.txt"
    assert main(["rerank", "--run", str(requests), *flags, "--encoder", "words", "--output", str(output)]) == 0
    assert read_run(output).rankings["01"] == [ScoredDoc("a", 2.0), ScoredDoc("b", 0.0)]


def test_a_run_without_topics_or_passages_is_refused(tmp_path, capsys):
    command = ["rerank", "--run", "run.txt", "--encoder", "words", "--output", str(tmp_path / "out.txt")]
    assert main(command) == 2
    assert main([*command, "--topics", "t.tsv"]) == 2
    assert "reranking run.txt needs --topics, and passages by --corpus or --index" in capsys.readouterr().err
