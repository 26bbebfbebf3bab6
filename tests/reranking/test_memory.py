"""Reranking holds few texts and vectors at once, and gives what it gives when it holds all."""

import gc
import sys
import weakref

import numpy as np
import pytest

import instrerank as ir
from instrerank.collections import PassageFile
from instrerank.collections.candidate_texts import CandidateTexts
from instrerank.errors import InputError
from instrerank.files import spooled
from instrerank.reranking import parts, prepare_texts, rerank, scoring, select_candidates
from instrerank.trec import Run, ScoredDoc, Topic

MODULE = sys.modules[rerank.__module__]
# some passages share a text, and many a score
TEXTS = {f"d{n}": f"{'moon ' * (n % 4)}sun {n % 9}" for n in range(60)}
FIRST_STAGE = Run(
    "bm25",
    {str(q): [ScoredDoc(f"d{(7 * q + 11 * r) % 60}", float(30 - r)) for r in range(20)] for q in range(6)},
)
TOPICS = [Topic(str(q), "moon sun"[: 4 + 4 * (q % 2)]) for q in reversed(range(6))]


@pytest.fixture
def passages(tmp_path):
    path = tmp_path / "passages.tsv"
    path.write_text("".join(f"{docid}\t{text}\n" for docid, text in reversed(TEXTS.items())))
    return PassageFile(path)


def candidates_of(texts):
    return select_candidates(FIRST_STAGE, TOPICS, texts, hits=15)[0]


def test_texts_on_disk_read_as_they_were_written(monkeypatch):
    monkeypatch.setattr(spooled, "_IN_MEMORY", 10)
    written = ["", "a", "Straße", "x" * 25, "", "\ud83d", "last"]
    texts = spooled.SpooledTexts()
    for text in written:
        texts.append(text)
    assert list(texts) == written
    assert [texts[3], texts[-1], texts[1:3]] == ["x" * 25, "last", ["a", "Straße"]]
    with pytest.raises(IndexError):
        texts[7]


def test_a_full_disk_is_named_with_what_to_do(monkeypatch):
    class Full:
        def seek(self, place):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(spooled, "_IN_MEMORY", 1)
    monkeypatch.setattr(spooled.tempfile, "TemporaryFile", lambda **given: Full())
    with pytest.raises(InputError, match=r"No space left on device; free some space there, or .* TMPDIR"):
        spooled.SpooledTexts().append("too much")


def test_candidate_texts_are_a_mapping_in_the_order_of_the_docids(passages):
    texts = CandidateTexts(passages, ["d3", "absent", "d1", "d3"])
    assert (dict(texts), list(texts), len(texts)) == ({"d3": TEXTS["d3"], "d1": TEXTS["d1"]}, ["d3", "d1"], 2)
    assert "absent" not in texts
    assert texts.get("absent") is None
    assert texts.numbers == {"d3": 0, "absent": 1, "d1": 2}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_size_of_parts_gives_the_same_run(bag_of_words, monkeypatch, passages, size):
    candidates = candidates_of(TEXTS)
    prepared = prepare_texts(TOPICS, TEXTS, bag_of_words)
    expected, _ = rerank(candidates, TEXTS, bag_of_words, tag="t", prepared=prepared)
    monkeypatch.setattr(parts, "TEXTS_AT_ONCE", size)
    texts = CandidateTexts(passages, dict.fromkeys(d.docid for each in candidates for d in each.reranked))
    for given in (TEXTS, texts):
        run, scores = rerank(candidates_of(given), given, bag_of_words, tag="t")
        assert run == expected
        assert list(run.rankings) == [topic.qid for topic in TOPICS]
        assert scores.passages == len(texts)


def test_windows_in_parts_score_as_windows_at_once(bag_of_words, monkeypatch):
    windows = scoring.Windows(2, 1, "mean")
    prepared = prepare_texts(TOPICS, TEXTS, bag_of_words, windows=windows)
    expected, at_once = rerank(candidates_of(TEXTS), TEXTS, bag_of_words, tag="t", prepared=prepared)
    monkeypatch.setattr(parts, "TEXTS_AT_ONCE", 3)
    run, scores = rerank(candidates_of(TEXTS), TEXTS, bag_of_words, tag="t", windows=windows)
    assert (run, scores.pieces, scores.passages) == (expected, at_once.pieces, at_once.passages)


def test_vectors_of_one_part_are_held_at_once_and_each_text_is_encoded_once(bag_of_words, monkeypatch, passages):
    monkeypatch.setattr(parts, "TEXTS_AT_ONCE", 8)
    alive: list[weakref.ref] = []
    most, encode = 0, bag_of_words.encode_passages

    def counting(texts, **more):
        nonlocal most
        assert len(texts) <= 8
        encoded = encode(texts, **more)
        encoded.vectors = np.array(encoded.vectors)
        alive.append(weakref.ref(encoded.vectors))
        gc.collect()
        most = max(most, sum(ref() is not None for ref in alive))
        return encoded

    bag_of_words.encode_passages = counting
    texts = CandidateTexts(passages, TEXTS)
    rerank(candidates_of(texts), texts, bag_of_words, tag="t")
    assert len(alive) > 2
    assert most == 1
    assert len(bag_of_words.passages) == len(set(bag_of_words.passages))


def test_topics_of_many_pairs_are_scored_in_groups(bag_of_words, monkeypatch):
    prepared = prepare_texts(TOPICS, TEXTS, bag_of_words)
    expected, whole = rerank(candidates_of(TEXTS), TEXTS, bag_of_words, tag="t", prepared=prepared)
    sizes, score = [], bag_of_words.score
    bag_of_words.score = lambda *given, **more: sizes.append(len(given[2])) or score(*given, **more)
    monkeypatch.setattr(parts, "_PAIRS_AT_ONCE", 31)
    run, scores = rerank(candidates_of(TEXTS), TEXTS, bag_of_words, tag="t", prepared=prepared)
    assert sizes == [2, 2, 2]
    assert (run, scores.passages_truncated) == (expected, whole.passages_truncated)


def test_rankings_of_a_large_run_are_made_one_by_one_and_written_as_of_a_small_one(
    words, monkeypatch, passages, tmp_path
):
    settings = {"corpus": str(passages.path), "encoder": words, "hits": 15, "fusion": "rrf"}
    small = ir.rerank(FIRST_STAGE, TOPICS, output=tmp_path / "small.txt", **settings)
    monkeypatch.setattr(MODULE, "_KEPT", 10)
    large = ir.rerank(FIRST_STAGE, TOPICS, output=tmp_path / "large.txt", **settings)
    assert (type(small.rankings), type(large.rankings).__name__) == (dict, "RerankedRankings")
    assert (large.rankings, large.counts) == (small.rankings, small.counts)
    assert (tmp_path / "large.txt").read_bytes() == (tmp_path / "small.txt").read_bytes()
    assert large.rankings["3"] is not large.rankings["3"]


def test_killed_while_the_run_is_written_leaves_nothing_and_the_next_call_writes_the_same(
    words, monkeypatch, passages, tmp_path
):
    monkeypatch.setattr(MODULE, "_KEPT", 10)
    settings = {"corpus": str(passages.path), "encoder": words, "output": tmp_path / "run.txt", "hits": 15}
    whole = ir.rerank(FIRST_STAGE, TOPICS, **settings | {"output": tmp_path / "whole.txt"})
    made, make = [], MODULE.RerankedRankings.__getitem__

    def stop(rankings, qid):
        made.append(qid)
        if len(made) == len(TOPICS) + 3:  # once through for the counts, then while writing
            raise KeyboardInterrupt
        return make(rankings, qid)

    with monkeypatch.context() as patch:
        patch.setattr(MODULE.RerankedRankings, "__getitem__", stop)
        with pytest.raises(KeyboardInterrupt):
            ir.rerank(FIRST_STAGE, TOPICS, **settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["passages.tsv", "whole.txt", "whole.txt.yaml"]
    ir.rerank(FIRST_STAGE, TOPICS, **settings, resume=True)
    assert (tmp_path / "run.txt").read_bytes() == whole.output.read_bytes()
