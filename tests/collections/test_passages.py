import gzip

import pytest

from instrerank.collections import load_instructions, load_qrels, load_topics, open_passages
from instrerank.errors import InputError
from instrerank.trec import Passage


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
        ("1\ta\n2\n", r"p:2: wanted .* found 1 tab"),
        ('{"id": "1"}\n', "p:1: wanted one of docid, id, _id and one of contents, .* found id"),
        ('{"id": "1", "contents": \n', "p:1: not JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        list(open_passages(write(tmp_path / "p", text)))


def test_no_passages(tmp_path):
    with pytest.raises(InputError, match="no passages at nowhere"):
        open_passages("nowhere")
    with pytest.raises(InputError, match=r"holds no \.jsonl"):
        open_passages(tmp_path)


def test_irds(monkeypatch, tmp_path):
    """A dataset of ir_datasets, made of local files: topics, narratives, qrels and documents by `irds:ID`."""
    import ir_datasets
    from ir_datasets.datasets.base import Dataset
    from ir_datasets.formats import BaseQueries, TrecQrels, TsvDocs
    from ir_datasets.formats.trec import TrecQuery

    class Queries(BaseQueries):
        def queries_iter(self):
            yield TrecQuery("01", "tides", "how tides form", "leave out the sun")

        def queries_cls(self):
            return TrecQuery

    docs = write(tmp_path / "docs.tsv", "d1\tthe moon pulls\nd2\tthe sun pulls\n")
    qrels = write(tmp_path / "qrels", "01 0 d1 2\n")
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    dataset = Dataset(
        TsvDocs(_Local(docs), namespace="mini", lang="en"), Queries(), TrecQrels(_Local(qrels), {2: "relevant"})
    )
    ir_datasets.registry.register("instrerank-mini", dataset)
    assert [topic.text for topic in load_topics("irds:instrerank-mini")] == ["tides"]
    assert load_instructions("irds:instrerank-mini") == {"01": "leave out the sun"}
    assert load_qrels("irds:instrerank-mini") == {"01": {"d1": 2}}
    assert open_passages("irds:instrerank-mini").lookup(["d2", "d9"]) == {"d2": "the sun pulls"}


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
