"""`search` with a server: the run and the texts, and how an interrupted search continues."""

import json

import pytest
from search_server import FakeServer, serving

import instrerank as ir
from instrerank.anserini import rest
from instrerank.cli import main
from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError
from instrerank.jobs.sidecar import read_sidecar
from instrerank.trec import ScoredDoc, read_run

PASSAGES = {"d1": "Tides follow the moon.", "d2": "Moon over bread.", "d3": "The bread rests."}
TOPICS = {"1": "moon", "2": "bread", "3": "nothing"}


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(rest.time, "sleep", lambda seconds: None)
    return FakeServer(tides={docid: json.dumps({"id": docid, "contents": text}) for docid, text in PASSAGES.items()})


@pytest.fixture
def url(fake):
    with serving(fake) as address:
        yield address


@pytest.fixture
def search(url, tmp_path):
    def call(topics=TOPICS, index="tides", **settings):
        return ir.search(topics, index, **{"server": url, "output": tmp_path / "run.txt", "hits": 10, **settings})

    return call


def texts(path):
    return {each["id"]: each["contents"] for each in map(json.loads, path.read_text().splitlines())}


def test_the_run_and_the_texts_are_what_rerank_takes(search, tmp_path, fake):
    searched = search(passages=tmp_path / "found.jsonl")
    assert searched.run.rankings["1"] == [ScoredDoc("d2", 0.25), ScoredDoc("d1", 0.25)]
    assert searched.counts["topics without candidates"] == ["3"]
    assert dict(read_run(tmp_path / "run.txt").rankings) == {qid: searched.rankings[qid] for qid in ("1", "2")}
    assert texts(tmp_path / "found.jsonl") == PASSAGES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.jsonl", "run.txt", "run.txt.yaml"]
    reranked = tmp_path / "reranked.txt"
    (tmp_path / "topics.tsv").write_text("1\tmoon\n2\tbread\n")
    given = ["--run", tmp_path / "run.txt", "--topics", tmp_path / "topics.tsv", "--corpus", tmp_path / "found.jsonl"]
    assert main(["rerank", *map(str, given), "--encoder", "minilm", "--output", str(reranked)]) == 0
    assert {qid: len(ranking) for qid, ranking in read_run(reranked).rankings.items()} == {"1": 2, "2": 2}


def test_the_sidecar_says_what_was_asked(search, url, tmp_path):
    search()
    sidecar = read_sidecar(tmp_path / "run.txt")
    [stage] = sidecar["method"]["retrieval"]
    assert stage["server"] == url
    assert stage["index"] == {"source": "tides"}
    assert sidecar["run"]["counts"]["passages"] == 3
    command = sidecar["implementation"]["executable"]["cmd"]
    assert f"--server {url} --index tides" in command
    assert "--k1" not in command
    assert texts(tmp_path / "run.txt.passages.jsonl") == PASSAGES


def test_an_interrupted_search_continues_with_the_next_topic(search, fake, tmp_path):
    fake.next = [None, *[(503, b"", {})] * 5]
    with pytest.raises(MissingPrerequisiteError, match=r"topic 2: .* \(1 of 3 topics answered: continue"):
        search()
    assert not (tmp_path / "run.txt").exists()
    with pytest.raises(InputError, match="holds the answers to 1 topic of an interrupted search"):
        search()
    with pytest.raises(InputError, match="made with another configuration"):
        search(hits=5, resume=True)
    # as if the process had been killed while it wrote the second answer
    kept = tmp_path / "run.txt.answers.jsonl"
    kept.write_text(kept.read_text() + '{"qid": "2", "cand')
    fake.asked.clear()
    resumed = search(resume=True)
    assert [path.split("query=")[1].split("&")[0] for path, _ in fake.asked] == ["bread", "nothing"]
    assert list(resumed.run.rankings) == ["1", "2", "3"]
    assert not kept.exists()
    before = (tmp_path / "run.txt").read_bytes()
    fake.asked.clear()
    search(resume=True)
    assert fake.asked == []
    search(overwrite=True)
    assert (tmp_path / "run.txt").read_bytes() == before


def test_texts_that_are_gone_are_asked_for_again(search, fake, tmp_path):
    search()
    (tmp_path / "run.txt.passages.jsonl").unlink()
    search(resume=True)
    assert texts(tmp_path / "run.txt.passages.jsonl") == PASSAGES


def test_a_first_topic_that_fails_leaves_nothing(search, tmp_path):
    with pytest.raises(InputError, match="topic 1: .* cannot search the index nowhere: Unable to open index"):
        search(index="nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_query_on_which_the_server_fails_is_named(search, fake):
    fake.next = [None, *[(500, {"error": "maxClauseCount is set to 1024"}, {})] * 5]
    with pytest.raises(InstrerankError, match="topic 2: .* failed on a query: maxClauseCount"):
        search()


def test_documents_without_text_are_counted(search, fake, tmp_path, caplog):
    fake.indexes["tides"]["d2"] = None
    fake.next = [(200, {"candidates": [{"docid": "d2", "score": 1, "rank": 1, "doc": None}]}, {})]
    counts = search(topics={"1": "moon"}).counts
    assert (counts["passages"], counts["passages without text"]) == (0, 1)
    assert "1 document came without text" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": None}, "`server` needs a file as `output`"),
        ({"output": "-"}, "`server` needs a file as `output`"),
        ({"hits": 0}, "`hits` must be at least 1, got 0"),
        ({"k1": 1.2}, "`k1` cannot be set with `server`"),
        ({"threads": 2}, "`threads` cannot be set with `server`"),
        ({"language": "de"}, "`language` cannot be set with `server`"),
        ({"server": None, "passages": "p.jsonl"}, "`passages` needs `server`"),
        ({"server": "localhost"}, "`server` must be an address"),
    ],
)
def test_settings_that_do_not_fit(search, settings, message):
    with pytest.raises(InputError, match=message):
        search(**settings)


def test_files_of_others_are_not_replaced(search, tmp_path):
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="mine.jsonl exists: choose another `passages`"):
        search(passages=tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match="`passages` must be a file of its own"):
        search(passages=tmp_path / "run.txt")
    search(passages=tmp_path / "mine.jsonl", overwrite=True)
    assert texts(tmp_path / "mine.jsonl") == PASSAGES


def test_exit_codes(fake, url, tmp_path, capsys):
    (tmp_path / "topics.tsv").write_text("1\tmoon\n")
    command = ["search", "--topics", str(tmp_path / "topics.tsv"), "--output", str(tmp_path / "run.txt")]
    assert main([*command, "--server", url, "--index", "nowhere"]) == 2
    fake.next = [(503, b"", {})] * 5
    assert main([*command, "--server", url, "--index", "tides"]) == 3
    assert "check --server, or try later" in capsys.readouterr().err
    fake.next = [None]
    assert main([*command, "--server", url, "--index", "tides"]) == 0
    assert main(["check", str(tmp_path / "run.txt"), str(tmp_path / "run.txt.passages.jsonl")]) == 0
