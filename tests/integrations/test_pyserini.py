"""Pyserini's own searchers, writers and readers at both ends of a reranking, as pyserini 1.6.0 has them."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from instrerank import InstructionReranker, RerankingSearcher
from instrerank.anserini import IndexPassages, build_index, find_java, start_jvm
from instrerank.anserini.jvm import anserini_jar
from instrerank.errors import InputError
from instrerank.trec import Passage, Run, ScoredDoc, Topic, read_run, write_qrels, write_run, write_topics

pytestmark = [
    pytest.mark.java,
    pytest.mark.skipif(
        version("pyserini").startswith("2"), reason="importing them, Pyserini 2 reads tables over the network"
    ),
]

TEXTS = {"07": "the sun at noon", "7": "moon and sun and moon", "x": "moon at noon", "y": "bread at noon"}
VECTORS = {"07": [0.0, 1.0], "7": [0.6, 0.8], "x": [1.0, 0.0], "y": [0.8, -0.6]}
QUERIES, QIDS = ["moon noon", "sun noon"], ["01", "2"]
RERANKED = ["7", "x", "y", "07"]
"""What a bag of words makes of the four passages for "moon noon": scores 2, 1, 0, 0, the tie by docid."""


@pytest.fixture(scope="module", autouse=True)
def _jvm():
    start_jvm()


@pytest.fixture
def reranker(bag_of_words):
    return InstructionReranker(bag_of_words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pyserini")


def anserini(main, collection, lines, index, *flags):
    """Run an indexer of Anserini over a file of JSON lines."""
    collection_folder = index.with_name(f"{index.name}.collection")
    collection_folder.mkdir()
    (collection_folder / "docs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [find_java().home / "bin" / "java", "-cp", anserini_jar(), f"io.anserini.index.{main}", *flags]
    command += ["-collection", collection, "-input", collection_folder, "-index", index, "-threads", "1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


@pytest.fixture(scope="module")
def index(folder):
    build_index([Passage(docid, text) for docid, text in TEXTS.items()], folder / "bm25")
    return folder / "bm25"


@pytest.fixture(scope="module")
def lucene(index):
    from pyserini.search.lucene import LuceneSearcher

    return LuceneSearcher(str(index))


@pytest.fixture(scope="module")
def impact(folder):
    """An impact index, which stores no texts."""
    from pyserini.search.lucene import LuceneImpactSearcher

    lines = [
        {"id": docid, "contents": "", "vector": {"noon": 9, **dict.fromkeys(text.split(), 5)}}
        for docid, text in {**TEXTS, "z": "filler"}.items()
    ]
    del lines[-1]["vector"]["noon"]
    flags = ("-generator", "DefaultLuceneDocumentGenerator", "-impact", "-pretokenized")
    anserini("IndexCollection", "JsonVectorCollection", lines, folder / "impact", *flags)
    encoder = SimpleNamespace(encode=lambda query: dict.fromkeys(query.split(), 3))
    return LuceneImpactSearcher(str(folder / "impact"), encoder)


@pytest.fixture(scope="module")
def hnsw(folder):
    """An HNSW index, which stores no texts."""
    from pyserini.search.lucene import LuceneHnswDenseSearcher

    index_vectors("IndexHnswDenseVectors", folder / "hnsw", "-M", "16", "-efC", "100")
    return asked_with_vectors(LuceneHnswDenseSearcher(str(folder / "hnsw")))


@pytest.fixture(scope="module")
def flat(folder):
    """A flat index of vectors, which stores no texts."""
    from pyserini.search.lucene import LuceneFlatDenseSearcher

    index_vectors("IndexFlatDenseVectors", folder / "flat")
    return asked_with_vectors(LuceneFlatDenseSearcher(str(folder / "flat")))


def index_vectors(main, index, *flags):
    lines = [{"docid": docid, "vector": vector} for docid, vector in VECTORS.items()]
    anserini(main, "JsonDenseVectorCollection", lines, index, "-generator", "DenseVectorDocumentGenerator", *flags)


def asked_with_vectors(searcher):
    """Ask with vectors as text in place of queries, as is right without an encoder of Anserini's."""
    as_vector = dict.fromkeys(QUERIES, "[0.6, 0.8]")
    return SimpleNamespace(
        search=lambda query, k: searcher.search(as_vector[query], k),
        batch_search=lambda queries, qids, k, threads: searcher.batch_search(
            [as_vector[query] for query in queries], qids, k, threads
        ),
    )


@pytest.fixture(scope="module")
def dense(folder):
    """A FAISS index; its hits have a docid and a score, and nothing else."""
    faiss = pytest.importorskip("faiss")
    from pyserini.search.faiss import FaissSearcher

    (folder / "faiss").mkdir()
    flat = faiss.IndexFlatIP(2)
    flat.add(np.array(list(VECTORS.values()), np.float32))
    faiss.write_index(flat, str(folder / "faiss" / "index"))
    (folder / "faiss" / "docid").write_text("".join(f"{docid}\n" for docid in VECTORS))
    return FaissSearcher(str(folder / "faiss"), SimpleNamespace(encode=lambda query: np.array([0.6, 0.8])))


@pytest.fixture(scope="module")
def hybrid(dense, lucene):
    from pyserini.search.hybrid import HybridSearcher

    searcher = HybridSearcher(dense, lucene)
    return SimpleNamespace(
        search=lambda query, k: searcher.search(query, k=k),
        batch_search=lambda queries, qids, k, threads: searcher.batch_search(queries, qids, k=k, threads=threads),
    )


def docids(hits):
    return [hit.docid for hit in hits]


def test_lucene_searcher(lucene, reranker):
    searcher = RerankingSearcher(lucene, reranker, hits=4)
    hits = searcher.search(QUERIES[0], k=3)
    assert docids(hits) == RERANKED[:3]
    assert json.loads(hits[0].lucene_document.get("raw"))["contents"] == TEXTS["7"]
    assert hits[0].lucene_docid == 1
    assert searcher.doc("07").docid() == "07"
    found = searcher.batch_search(QUERIES, QIDS, k=2, threads=2, instructions=["without sun", ""])
    assert {qid: docids(hits) for qid, hits in found.items()} == {"01": ["x", "y"], "2": ["7", "07"]}


@pytest.mark.parametrize("name", ["impact", "hnsw", "flat", "dense", "hybrid"])
def test_searchers_whose_hits_have_no_text(name, index, reranker, request):
    searcher = request.getfixturevalue(name)
    if name != "hybrid":
        with pytest.raises(InputError, match=r"no text for 4 hits: .*open_passages"):
            RerankingSearcher(searcher, reranker).search(QUERIES[0], k=4)
    with_texts = RerankingSearcher(searcher, reranker, texts=IndexPassages(index))
    hits = with_texts.search(QUERIES[0], k=4)
    assert docids(hits) == RERANKED
    assert [hit.score for hit in hits] == [2.0, 1.0, 0.0, 0.0]
    found = with_texts.batch_search(QUERIES, QIDS, k=2, threads=1)
    assert {qid: docids(hits) for qid, hits in found.items()} == {"01": ["7", "x"], "2": ["7", "07"]}


def test_fusion_searcher(folder, index, reranker):
    from pyserini.fusion import FusionMethod
    from pyserini.search.lucene import LuceneFusionSearcher

    build_index([Passage("x", TEXTS["x"]), Passage("y", TEXTS["y"])], folder / "part")
    searcher = LuceneFusionSearcher([str(index), str(folder / "part")], FusionMethod.RRF)
    hits = RerankingSearcher(searcher, reranker, hits=4).search(QUERIES[0], k=4)
    assert docids(hits) == RERANKED
    assert json.loads(hits[0].lucene_document.get("raw"))["contents"] == TEXTS["7"]


def test_the_dictionaries_of_batch_search(lucene, reranker):
    found = lucene.batch_search(QUERIES, QIDS, k=4)
    reranked = reranker.rerank_by_qid(dict(zip(QIDS, QUERIES, strict=True)), found)
    assert docids(reranked["01"]) == RERANKED
    assert set(reranked) == set(QIDS)


def test_documents_of_the_searcher_in_place_of_hits(lucene, reranker):
    texts = {docid: json.loads(lucene.doc(docid).raw())["contents"] for docid in TEXTS}
    assert docids(reranker.rerank(QUERIES[0], list(texts.items()))) == RERANKED


def test_the_output_writer_writes_what_write_run_writes(lucene, reranker, tmp_path):
    from pyserini.output_writer import OutputFormat, get_output_writer

    hits = RerankingSearcher(lucene, reranker).batch_search(QUERIES, QIDS, k=4)
    for output_format in OutputFormat.TREC, OutputFormat.MSMARCO:
        with get_output_writer(str(tmp_path / "theirs.txt"), output_format, max_hits=3, tag="words") as writer:
            for qid in QIDS:
                writer.write(qid, hits[qid])
        run = Run("words", {qid: [ScoredDoc(hit.docid, hit.score) for hit in hits[qid][:3]] for qid in QIDS})
        write_run(tmp_path / "ours.txt", run, output_format.value)
        theirs, ours = read_run(tmp_path / "theirs.txt"), read_run(tmp_path / "ours.txt")
        assert theirs.rankings == ours.rankings
        assert theirs.tag == ours.tag


def test_topics_that_we_write_in_the_query_iterator(tmp_path):
    from pyserini.query_iterator import TopicsFormat, get_query_iterator

    topics = [Topic("q1", "moon", "without sun"), Topic("q2", "bread, and what it is")]
    for name in "topics.tsv", "topics.tsv.gz":
        write_topics(tmp_path / name, [topic._replace(instruction="") for topic in topics])
        iterator = get_query_iterator(str(tmp_path / name), TopicsFormat.DEFAULT)
        assert list(iterator) == [("q1", "moon"), ("q2", "bread, and what it is")]


def test_trec_run_and_fusion_take_a_run_that_we_wrote(lucene, reranker, tmp_path):
    from pyserini.fusion import reciprocal_rank_fusion
    from pyserini.trectools import TrecRun

    for name, searcher in {"bm25": lucene, "words": RerankingSearcher(lucene, reranker)}.items():
        hits = searcher.batch_search(QUERIES, ["q1", "q2"], k=4)
        run = Run(name, {qid: [ScoredDoc(hit.docid, hit.score) for hit in hits[qid]] for qid in ("q1", "q2")})
        write_run(tmp_path / f"{name}.txt", run)
    runs = [TrecRun(str(tmp_path / f"{name}.txt")) for name in ("bm25", "words")]
    assert runs[1].get_docs_by_topic("q1")["docid"].tolist() == RERANKED
    reciprocal_rank_fusion(runs).save_to_txt(str(tmp_path / "fused.txt"), tag="fused")
    fused = read_run(tmp_path / "fused.txt")
    assert {docid for docid, _ in fused.rankings["q1"]} == set(TEXTS)
    assert fused.rankings["q1"][0].score == pytest.approx(1 / 61 + 1 / 62, abs=1e-3)
    pairs = [(hit.docid, hit.score) for hit in reranker.rerank(QUERIES[0], lucene.search(QUERIES[0], k=4))]
    assert TrecRun.from_search_results(pairs).get_docs_by_topic(1)["docid"].tolist() == RERANKED


def test_their_trec_eval_scores_a_run_that_we_wrote(tmp_path, monkeypatch, capsys):
    from pyserini.eval.trec_eval import trec_eval

    from instrerank.evaluation.measures import evaluate

    run = Run("words", {"1": [ScoredDoc("a", 0.85), ScoredDoc("b", 0.85 + 6e-8), ScoredDoc("c", 0.8)]})
    write_run(tmp_path / "run.txt", run)
    qrels = {"1": {"a": 2, "b": 0, "c": 1}, "2": {"a": 1}}
    write_qrels(tmp_path / "qrels.txt", qrels)
    monkeypatch.setenv("PATH", f"{find_java().home / 'bin'}{os.pathsep}{os.environ['PATH']}")
    files = [str(tmp_path / "qrels.txt"), str(tmp_path / "run.txt")]
    theirs = trec_eval(["trec_eval", "-c", "-m", "ndcg_cut.10", *files])
    assert theirs == pytest.approx(evaluate(run, qrels, ["ndcg_cut.10"]).means["ndcg_cut_10"], abs=5e-5)
    write_run(tmp_path / "run.txt", run, "msmarco")
    assert trec_eval(["trec_eval", "-c", "-m", "ndcg_cut.10", *files]) == theirs
    assert "msmarco run detected" in capsys.readouterr().out
