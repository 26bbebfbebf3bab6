import gzip
from collections import namedtuple
from typing import NamedTuple

import pytest

from instrerank.cli import main
from instrerank.collections import load_instructions, load_qrels, load_run, load_topics, open_passages
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.trec import Passage, Run, ScoredDoc, Topic, read_run


def write(path, text):
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "007", "contents": "tides rise"}\n{"id": 8, "contents": "T bread"}\n',
        '{"docid": "007", "text": "tides rise"}\r\n{"_id": "8", "title": "T", "text": "bread"}\r\n',
        "007\ttides rise\n8\tT\tbread\n",
    ],
)
def test_every_format_gives_the_same_passages(tmp_path, text):
    passages = [Passage("007", "tides rise"), Passage("8", "T bread")]
    source = open_passages(write(tmp_path / "p.jsonl", text))
    assert list(source) == passages
    assert source.lookup(["8", "9"]) == {"8": "T bread"}
    (tmp_path / "p.jsonl").unlink()
    (tmp_path / "p.tsv.gz").write_bytes(gzip.compress(text.encode()))
    assert list(open_passages(tmp_path)) == passages


def test_lines_end_at_newlines_only(tmp_path):
    source = open_passages(write(tmp_path / "p.jsonl", '{"id": "1", "contents": "a\u0085b\u2028c"}\n'))
    assert list(source) == [Passage("1", "a\u0085b\u2028c")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1\ta\n2\n", r"p:2: expected .* found 1 tab"),
        ('{"id": "1"}\n', "p:1: expected one of pid, docid, id, .* and one of contents, .* found id"),
        ('{"id": "1", "contents": \n', "p:1: not JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        list(open_passages(write(tmp_path / "p", text)))


def test_no_passages(tmp_path):
    with pytest.raises(InputError, match="no passages at nowhere"):
        open_passages("nowhere")
    with pytest.raises(InputError, match=r"contains no \.jsonl"):
        open_passages(tmp_path)


@pytest.fixture
def mini(monkeypatch, tmp_path):
    """A dataset of ir_datasets, made of local files; its candidates stand in the file that is returned."""
    import ir_datasets
    from ir_datasets.datasets.base import Dataset
    from ir_datasets.formats import BaseQueries, TrecQrels, TrecScoredDocs, TsvDocs
    from ir_datasets.formats.trec import TrecQuery

    class Queries(BaseQueries):
        def queries_iter(self):
            yield TrecQuery("01", "tides", "how tides form", "leave out the sun")

        def queries_cls(self):
            return TrecQuery

    docs = write(tmp_path / "docs.tsv", "d1\tthe moon pulls\nd2\tthe sun pulls\n")
    qrels = write(tmp_path / "qrels", "01 0 d1 2\n")
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    candidates = write(tmp_path / "candidates", "01 0 d1 1 1.5 bm25\n01 0 d2 2 1.0 bm25\n01 0 d2 3 2.5 bm25\n")
    dataset = Dataset(
        TsvDocs(_Local(docs), namespace="mini", lang="en"),
        Queries(),
        TrecQrels(_Local(qrels), {2: "relevant"}),
        TrecScoredDocs(_Local(candidates)),
    )
    monkeypatch.setitem(ir_datasets.registry._registered, "instrerank-mini", dataset)
    monkeypatch.setitem(ir_datasets.registry._registered, "instrerank-bare", Dataset(dataset.docs_handler()))
    return candidates


def test_irds(mini):
    assert [topic.text for topic in load_topics("irds:instrerank-mini")] == ["tides"]
    assert load_instructions("irds:instrerank-mini") == {"01": "leave out the sun"}
    assert load_qrels("irds:instrerank-mini") == {"01": {"d1": 2}}
    assert open_passages("irds:instrerank-mini").lookup(["d2", "d9"]) == {"d2": "the sun pulls"}


def test_irds_candidates(mini, caplog):
    run = load_run("irds:instrerank-mini")
    assert run == Run("instrerank-mini", {"01": [ScoredDoc("d2", 2.5), ScoredDoc("d1", 1.5)]})
    assert not caplog.messages
    write(mini, "01 d1\n01 d2\n")
    assert load_run("irds:instrerank-mini").rankings["01"] == [ScoredDoc("d2", 0), ScoredDoc("d1", 0)]
    assert "its candidates have no scores" in caplog.text
    with pytest.raises(InputError, match="irds:instrerank-bare has no scoreddocs; it has docs"):
        load_run("irds:instrerank-bare")


def test_verbs_take_irds_ids_for_everything(mini, tmp_path):
    name = "irds:instrerank-mini"
    command = ["rerank", "--run", name, "--topics", name, "--corpus", name, "--instructions", name]
    assert main([*command, "--encoder", "minilm", "--output", str(tmp_path / "run.txt")]) == 0
    reranked = read_run(tmp_path / "run.txt").rankings["01"]
    assert {document.docid for document in reranked} == {"d1", "d2"}
    assert main(["evaluate", "--qrels", name, str(tmp_path / "run.txt"), name]) == 0


class _Local:
    def __init__(self, path):
        self._path = path

    def path(self, force=True):
        return self._path

    def stream(self):
        return self._path.open("rb")


def test_irds_unknown_id():
    with pytest.raises(InputError, match="irds:no-such: ir_datasets has no such id"):
        load_topics("irds:no-such")


@pytest.mark.parametrize("error", [RuntimeError("All download sources failed", []), ConnectionError("no"), EOFError()])
def test_irds_out_of_reach(mini, monkeypatch, error):
    import ir_datasets

    def fail(*_):
        raise error

    dataset = ir_datasets.registry._registered["instrerank-mini"]
    for part in ("queries_iter", "qrels_iter", "docs_iter", "docs_store"):
        monkeypatch.setattr(dataset, part, fail, raising=False)
    name = "irds:instrerank-mini"
    for read in (
        load_topics,
        load_qrels,
        lambda name: list(open_passages(name)),
        lambda name: open_passages(name).lookup("d"),
    ):
        with pytest.raises(MissingPrerequisiteError, match=f"{name} is not in ir_datasets' cache"):
            read(name)


def test_irds_records_without_default_text(mini, monkeypatch):
    import ir_datasets

    class Bright(NamedTuple):
        query_id: str
        text: str
        reasoning: str

    class News(NamedTuple):
        query_id: str
        doc_id: str

    dataset = ir_datasets.registry._registered["instrerank-mini"]
    monkeypatch.setattr(dataset, "queries_iter", lambda: iter([Bright("1", "tides", "x")]), raising=False)
    assert load_topics("irds:instrerank-mini") == [Topic("1", "tides")]
    monkeypatch.setattr(dataset, "queries_iter", lambda: iter([Bright("1", "", "x")]), raising=False)
    with pytest.raises(InputError, match="1 of 1 queries have an empty text: 1"):
        load_topics("irds:instrerank-mini")
    monkeypatch.setattr(dataset, "queries_iter", lambda: iter([News("1", "d")]), raising=False)
    with pytest.raises(InputError, match="no default text for its News, whose fields are query_id, doc_id"):
        load_topics("irds:instrerank-mini")


@pytest.mark.parametrize(
    ("fields", "complaint"), [(["subtopic_id"], "judgements by subtopic"), (["start"], "with grades 1 and 0")]
)
def test_irds_judgements_of_parts_are_refused(mini, monkeypatch, fields, complaint):
    import ir_datasets

    judgement = namedtuple("judgement", ["query_id", "doc_id", "relevance", *fields])
    dataset = ir_datasets.registry._registered["instrerank-mini"]
    rows = [judgement("1", "d", 1, "1"), judgement("1", "d", 1, "2"), judgement("1", "d", 0, "3")]
    monkeypatch.setattr(dataset, "qrels_cls", lambda: judgement, raising=False)
    monkeypatch.setattr(dataset, "qrels_iter", lambda: iter(rows[:2]), raising=False)
    if fields == ["start"]:
        assert load_qrels("irds:instrerank-mini") == {"1": {"d": 1}}
    monkeypatch.setattr(dataset, "qrels_iter", lambda: iter(rows), raising=False)
    with pytest.raises(InputError, match=complaint):
        load_qrels("irds:instrerank-mini")
