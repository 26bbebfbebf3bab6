import gzip

import pytest

from instrerank.collections import load_topics, open_passages
from instrerank.errors import InputError
from instrerank.trec import Passage, Topic

CORPUS = '{"_id": "d1", "title": "Tides", "text": "The moon pulls."}\n'
QUERIES = '{"_id": "q1", "text": "why tides"}\n'


def fill(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_of_beirs_folder_the_corpus_is_the_corpus_and_the_queries_are_topics(tmp_path):
    folder = fill(tmp_path, corpus_jsonl=CORPUS, queries_jsonl=QUERIES, qrels__test_tsv="query-id\tcorpus-id\tscore\n")
    assert list(open_passages(folder)) == [Passage("d1", "Tides The moon pulls.")]
    assert load_topics(folder) == [Topic("q1", "why tides")]


def test_beirs_folder_gzipped_or_without_queries(tmp_path):
    folder = fill(tmp_path, corpus_jsonl_gz=gzip.compress(CORPUS.encode()), qrels__test_tsv="")
    assert len(list(open_passages(folder))) == 1
    with pytest.raises(InputError, match="not in BEIR's layout"):
        load_topics(folder)
    fill(folder, corpus_jsonl=CORPUS)
    with pytest.raises(InputError, match=r"corpus\.jsonl and corpus\.jsonl\.gz: give the file"):
        open_passages(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("topics.tsv", "1\twhy tides\n"),
        ("queries.dev.tsv", "1\twhy tides\n"),
        ("qrels.txt", "1 0 d1 1\n"),
        ("part2.jsonl.zst", "x"),
        ("part2.csv", "d2,b\n"),
        ("part2.parquet", "PAR1"),
        ("x.jsonl", '{"qid": "1", "query": "why tides"}\n'),
        ("x.txt", "1 0 d1 1\n"),
        ("x.txt", "1 Q0 d1 1 2.5 tag\n"),
        ("x.txt", "<top><num>1<title>tides</top>\n"),
        ("x.txt", "What these files are.\n"),
        ("sub/more.jsonl", CORPUS),
    ],
)
def test_a_folder_of_more_than_passages_is_refused_by_the_names(tmp_path, name, content):
    fill(tmp_path, part1_jsonl=CORPUS)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"contains more than passages: {name.split('/')[0]} "):
        open_passages(tmp_path)


def test_a_folder_of_passages(tmp_path):
    folder = fill(
        tmp_path,
        a_jsonl=CORPUS,
        b_json='[\n {"id": "d2", "contents": "b"}\n]\n',
        c_tsv="d3\tchapter 5\n",
        README_txt="What these files are.\n",
        SHA256SUMS_sha256="x\n",
    )
    packed = gzip.compress(b'{"pid": "d4", "passage": "d", "docid": "D"}\n')
    (folder / "msmarco_v2.1_passage_00.gz").write_bytes(packed)
    assert [passage.docid for passage in open_passages(folder)] == ["d1", "d2", "d3", "d4"]


def test_a_folder_without_passages_says_what_it_holds(tmp_path):
    with pytest.raises(InputError, match=r"contains no \.jsonl.*; found corpus\.parquet"):
        open_passages(fill(tmp_path, corpus_parquet=b"PAR1"))


@pytest.mark.parametrize(("text", "same"), [("a", "the same"), ("b", "another")])
def test_a_docid_twice_is_an_error_where_it_is_looked_up(tmp_path, text, same):
    source = open_passages(fill(tmp_path, p_tsv=f"d1\ta\nd2\ta\nd1\t{text}\n") / "p.tsv")
    with pytest.raises(InputError, match=f"p.tsv:3: duplicate docid d1 with {same} text, first in .*p.tsv:1"):
        source.lookup(["d1"])
    assert source.lookup(["d2"]) == {"d2": "a"}
