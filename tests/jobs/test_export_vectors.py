"""Vectors for Faiss and Anserini: the same vectors, and the ranking that `rerank` gives to all passages."""

import json
import subprocess
from importlib.metadata import version

import numpy as np
import pytest

import instrerank
from instrerank.anserini import find_java, start_jvm
from instrerank.anserini.jvm import anserini_jar
from instrerank.cli import main

PASSAGES = {passage.docid: passage.text for passage in instrerank.open_passages("pocket")}
TOPICS = instrerank.load_topics("pocket")[:4]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors") / "store"


@pytest.fixture(scope="module")
def encoder(store):
    return instrerank.load_encoder("minilm", store=store)


@pytest.fixture(scope="module")
def top(encoder):
    """The ten best of all passages for each topic, by docid and score."""
    run = {topic.qid: dict.fromkeys(PASSAGES, 0.0) for topic in TOPICS}
    ranked = instrerank.rerank(run, TOPICS, corpus=PASSAGES, encoder=encoder, hits=10**6).run
    return {qid: ranking[:10] for qid, ranking in ranked.rankings.items()}


def queries(encoder):
    return encoder.encode_queries([topic.text for topic in TOPICS], [topic.instruction for topic in TOPICS]).vectors


def exported(to, folder, store, *more):
    corpus = ["--corpus", "pocket", "--encoder", "minilm", "--store", str(store)]
    return main(["encode", *corpus, "--to", to, "--output", str(folder), *more])


@pytest.mark.java
def test_faiss_ranks_as_we_do_through_pyserinis_searcher(tmp_path, store, encoder, top, capsys):
    pytest.importorskip("faiss")
    if version("pyserini").startswith("2"):
        pytest.skip("importing it, Pyserini 2 reads tables over the network")
    start_jvm()
    from pyserini.search import faiss

    assert exported("faiss", tmp_path / "index", store) == 0
    assert f"{len(PASSAGES)} vectors for faiss" in capsys.readouterr().err
    searcher = faiss.FaissSearcher(str(tmp_path / "index"), None)
    for topic, query in zip(TOPICS, queries(encoder), strict=True):
        hits = searcher.search(query[None], 10)
        assert [hit.docid for hit in hits] == [docid for docid, _ in top[topic.qid]]
        assert np.allclose([hit.score for hit in hits], [score for _, score in top[topic.qid]], atol=1e-6)


def test_anserinis_files_hold_every_float32_exactly(tmp_path, store, encoder):
    assert exported("anserini", tmp_path / "vectors", store) == 0
    lines = [json.loads(line) for line in (tmp_path / "vectors" / "vectors.000000.jsonl").read_text().splitlines()]
    assert [line["docid"] for line in lines] == list(PASSAGES)
    vectors = np.array([line["vector"] for line in lines], np.float32)
    assert np.array_equal(vectors, encoder.encode_passages(list(PASSAGES.values())).vectors)
    # the same again is no harm; other content is
    assert exported("anserini", tmp_path / "vectors", store) == 0
    assert exported("anserini", tmp_path / "vectors", store, "--max-length", "16") == 2
    assert exported("anserini", tmp_path / "vectors", store, "--max-length", "16", "--overwrite") == 0


@pytest.mark.java
def test_anserini_searches_them(tmp_path, store, encoder, top):
    exported("anserini", tmp_path / "vectors", store)
    topics = tmp_path / "topics.jsonl"
    with topics.open("w") as file:
        for topic, query in zip(TOPICS, queries(encoder).tolist(), strict=True):
            file.write(json.dumps({"qid": topic.qid, "vector": query}) + "\n")
    java = [str(find_java().home / "bin" / "java"), "-cp", str(anserini_jar())]
    collection = ["-collection", "JsonDenseVectorCollection", "-input", str(tmp_path / "vectors")]
    index = ["-index", str(tmp_path / "index"), "-generator", "DenseVectorDocumentGenerator", "-threads", "1"]
    run = tmp_path / "run.txt"
    search = ["-index", str(tmp_path / "index"), "-topics", str(topics), "-topicReader", "JsonStringVector"]
    search += ["-topicField", "vector", "-output", str(run), "-hits", "10"]
    for command in (["index.IndexFlatDenseVectors", *collection, *index], ["search.SearchFlatDenseVectors", *search]):
        done = subprocess.run([*java, f"io.anserini.{command[0]}", *command[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = instrerank.load_run(run)
    for topic in TOPICS:
        assert [docid for docid, _ in found.rankings[topic.qid]] == [docid for docid, _ in top[topic.qid]]


def test_what_is_refused(tmp_path, store, capsys):
    for more, message in (
        (["--shard-num", "2"], "leave out --run and --shard-num"),
        (["--run", "run.txt"], "leave out --run and --shard-num"),
    ):
        assert exported("faiss", tmp_path / "index", store, *more) == 2
        assert message in capsys.readouterr().err
    assert main(["encode", "--corpus", "pocket", "--encoder", "minilm", "--to", "faiss"]) == 2
    assert "--to and --output belong together" in capsys.readouterr().err
