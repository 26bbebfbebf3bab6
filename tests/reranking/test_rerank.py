import numpy as np
import pytest

from instrerank.encoders import Cascade, PairScorer
from instrerank.encoders.pointwise import PairScores
from instrerank.errors import InputError
from instrerank.reranking import Fusion, candidate_docids, prepare_texts, rerank, select_candidates
from instrerank.reranking.scoring import Windows, aggregate
from instrerank.trec import Run, ScoredDoc, Topic

TEXTS = {"a": "the sun", "b": "moon and sun and moon", "c": "moon tide", "d": "bread", "e": "tide " * 30}
FIRST_STAGE = Run(
    "bm25",
    {
        "01": [ScoredDoc("a", 9.0), ScoredDoc("b", 8.0), ScoredDoc("c", 7.0), ScoredDoc("d", 6.0)],
        "2": [ScoredDoc("c", 3.0), ScoredDoc("a", 2.0)],
    },
)
TOPICS = [Topic("2", "sun"), Topic("01", "moon")]


def docids(run, qid):
    return [document.docid for document in run.rankings[qid]]


def reranked(encoder, first_stage=FIRST_STAGE, topics=TOPICS, texts=TEXTS, fusion=None, hits=100, missing="error"):
    candidates, counts = select_candidates(first_stage, topics, texts, hits=hits, missing=missing)
    run, encoding = rerank(candidates, texts, encoder, tag="t", fusion=fusion)
    return run, counts, encoding


def test_order_by_dot_product_ties_by_docid_topics_in_their_order(bag_of_words):
    run, counts, encoding = reranked(bag_of_words)
    assert list(run.rankings) == ["2", "01"]
    assert run.rankings["01"] == [ScoredDoc("b", 2.0), ScoredDoc("c", 1.0), ScoredDoc("d", 0.0), ScoredDoc("a", 0.0)]
    assert (counts.queries, counts.candidates, encoding.passages) == (2, 6, 4)


def test_each_distinct_passage_is_encoded_once(bag_of_words):
    reranked(bag_of_words)
    assert sorted(bag_of_words.passages) == sorted(TEXTS[docid] for docid in "abcd")


def test_query_sets_prepared_together_score_as_each_by_itself(bag_of_words):
    typos = [Topic("2", "sn"), Topic("01", "moon", "without sun")]
    prepared = prepare_texts([*TOPICS, *typos], TEXTS, bag_of_words)
    assert repr(prepared) == "PreparedTexts(4 queries, 5 passages, None)"
    calls = len(bag_of_words.passages), len(bag_of_words.queries)
    for topics in (TOPICS, typos):
        candidates, _ = select_candidates(FIRST_STAGE, topics, TEXTS, hits=100)
        run, scores = rerank(candidates, TEXTS, bag_of_words, tag="t", prepared=prepared)
        assert (len(bag_of_words.passages), len(bag_of_words.queries)) == calls
        assert (run.rankings, scores.passages) == (reranked(bag_of_words, topics=topics)[0].rankings, 4)
        calls = len(bag_of_words.passages), len(bag_of_words.queries)


def test_the_instruction_of_each_topic_reaches_the_encoder_and_changes_the_ranking(bag_of_words):
    topics = [Topic("2", "sun", "x"), Topic("01", "moon", "without sun")]
    run, *_ = reranked(bag_of_words, topics=topics)
    assert bag_of_words.queries == [("sun", "x"), ("moon", "without sun")]
    assert docids(run, "01") == ["c", "d", "b", "a"]


def test_documents_below_the_depth_keep_first_stage_order_below_the_reranked(bag_of_words):
    run, counts, _ = reranked(bag_of_words, hits=2)
    assert docids(run, "01") == ["b", "a", "c", "d"]
    scores = [document.score for document in run.rankings["01"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
    assert counts.below_depth == 2
    assert candidate_docids(FIRST_STAGE, 2) == ["a", "b", "c"]


def test_truncated_texts_are_named(bag_of_words):
    first_stage = Run("bm25", {"01": [ScoredDoc("e", 1.0), ScoredDoc("a", 0.5)]})
    _, _, encoding = reranked(bag_of_words, first_stage, [Topic("01", "moon " * 21)])
    assert encoding.passages_truncated == ["e"]
    assert encoding.queries_truncated == ["01"]


@pytest.mark.parametrize("text", [None, " \n", "\u200b\ufeff\u00a0"])
def test_missing_texts_are_refused_or_ranked_last_and_counted(bag_of_words, text):
    texts = {docid: TEXTS[docid] for docid in "acd"} | ({"b": text} if text else {})
    with pytest.raises(InputError, match="no text for 1 candidate: b;"):
        reranked(bag_of_words, texts=texts)
    run, counts, _ = reranked(bag_of_words, texts=texts, missing="skip")
    assert docids(run, "01") == ["c", "d", "a", "b"]
    assert counts.missing_texts == 1


def test_documents_that_are_empty_in_the_collection_rank_last_on_request(bag_of_words):
    texts = {**TEXTS, "b": " \n"}
    with pytest.raises(InputError, match="or with `empty` score-last the 1 whose text is empty"):
        select_candidates(FIRST_STAGE, TOPICS, texts, hits=100)
    candidates, counts = select_candidates(FIRST_STAGE, TOPICS, texts, hits=100, empty="score-last")
    run, _ = rerank(candidates, texts, bag_of_words, tag="words")
    assert docids(run, "01") == ["c", "d", "a", "b"]
    assert (counts.empty_texts, counts.missing_texts) == (1, 0)
    absent = {docid: text for docid, text in texts.items() if docid != "c"}
    with pytest.raises(InputError, match="no text for 1 candidate: c; "):
        select_candidates(FIRST_STAGE, TOPICS, absent, hits=100, empty="score-last")
    _, counts = select_candidates(FIRST_STAGE, TOPICS, absent, hits=100, missing="skip", empty="score-last")
    assert (counts.empty_texts, counts.missing_texts) == (1, 2)


def test_topics_without_candidates(bag_of_words):
    topics = [*TOPICS, Topic("7", "bread")]
    with pytest.raises(InputError, match="1 of 3 topics have no candidates in the run: 7"):
        reranked(bag_of_words, topics=topics)
    run, counts, _ = reranked(bag_of_words, topics=topics, missing="skip")
    assert list(run.rankings) == ["2", "01"]
    assert counts.topics_without_candidates == ["7"]


def test_qids_of_the_run_without_a_topic_are_left_out_and_counted(bag_of_words):
    run, counts, _ = reranked(bag_of_words, topics=[Topic("01", "moon")])
    assert (list(run.rankings), counts.qids_without_topic) == (["01"], 1)
    with pytest.raises(InputError, match="no qid in common"):
        reranked(bag_of_words, topics=[Topic("1", "moon")], missing="skip")


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        # 0.1 · first stage + 0.9 · reranker
        (Fusion("interpolate", alpha=0.1), {"a": 0.9, "b": 2.6, "c": 1.6, "d": 0.6}),
        # ranks of the first stage a b c d, of the reranker b c d a
        (
            Fusion("rrf", rrf_k=60),
            {"a": 1 / 61 + 1 / 64, "b": 1 / 62 + 1 / 61, "c": 1 / 63 + 1 / 62, "d": 1 / 64 + 1 / 63},
        ),
    ],
)
def test_fusion(bag_of_words, fusion, expected):
    run, *_ = reranked(bag_of_words, fusion=fusion)
    scores = {document.docid: document.score for document in run.rankings["01"]}
    assert scores == pytest.approx(expected, rel=1e-6)
    assert docids(run, "01") == sorted(expected, key=lambda docid: -expected[docid])


def test_interpolation_equals_pyserinis(bag_of_words):
    """The same meaning of alpha as `pyserini.fusion`: alpha · first run + (1 − alpha) · second, raw scores."""
    run, *_ = reranked(bag_of_words, fusion=Fusion("interpolate", alpha=1.0))
    assert docids(run, "01") == docids(FIRST_STAGE, "01")


def test_a_cascade_ranks_as_its_exact_encoder(bag_of_words):
    cascade = Cascade(bag_of_words, bag_of_words, depth=2)
    run, _, scores = reranked(cascade)
    assert run == reranked(bag_of_words)[0]
    assert (scores.passages, scores.pieces, scores.details["cascade"]["passages encoded again"]) == (4, 4, 4)
    *_, scores = reranked(cascade, texts=TEXTS | {"b": "moon " * 21}, topics=[Topic("2", "a " * 21), TOPICS[1]])
    assert (scores.passages_truncated, scores.queries_truncated) == (["b"], ["2"])
    for given in ({"fusion": Fusion("rrf")}, {"windows": Windows(2, 1)}):
        with pytest.raises(InputError, match="`fusion` and `max_passage` need exact scores"):
            rerank([], TEXTS, cascade, tag="t", **given)


def test_fusion_parameters_out_of_range():
    with pytest.raises(InputError, match=r"`alpha`.*got 1\.5"):
        Fusion("interpolate", alpha=1.5)


@pytest.mark.parametrize(("aggregation", "expected"), [("max", [3.0, 2.0]), ("mean", [2.0, 2.0])])
def test_scores_of_pieces_become_one(aggregation, expected):
    assert aggregate(np.array([1, 3, 2, 2], np.float32), [3, 1], aggregation).tolist() == expected


def test_long_passages_are_cut_into_windows_of_which_the_best_counts(bag_of_words):
    texts = {"a": "bread " * 30 + "moon moon moon", "b": "moon bread"}
    first_stage = Run("bm25", {"1": [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)]})
    candidates, _ = select_candidates(first_stage, [Topic("1", "moon")], texts, hits=10)
    scores = {}
    for aggregation in ("max", "first", "mean"):
        run, told = rerank(candidates, texts, bag_of_words, tag="t", windows=Windows(11, 11, aggregation))
        scores[aggregation] = dict(run.rankings["1"])
        assert told.passages_truncated == []
    assert scores == {"max": {"a": 3.0, "b": 1.0}, "first": {"a": 0.0, "b": 1.0}, "mean": {"a": 1.0, "b": 1.0}}


def test_pair_scorers_see_query_instruction_and_every_piece():
    class CountsWords(PairScorer):
        def __init__(self):
            pass

        def _tokenise(self, *pair):
            raise NotImplementedError

        _scores = _tokenise

        def windows(self, text, size, stride):
            return text.split(" / ")

        def score_pairs(self, pairs, *, progress=False):
            scores = [p.count(q) - p.count(i) if i else p.count(q) for q, i, p in pairs]
            return PairScores(np.array(scores, np.float32), np.array([p == "moon" for *_, p in pairs]))

    texts = {"a": "moon sun / moon moon", "b": "moon"}
    first_stage = Run("bm25", {"1": [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)], "2": [ScoredDoc("b", 1.0)]})
    topics = [Topic("1", "moon", "sun"), Topic("2", "moon")]
    candidates, _ = select_candidates(first_stage, topics, texts, hits=10)
    run, told = rerank(candidates, texts, CountsWords(), tag="t", windows=Windows(2, 2))
    assert run.rankings == {"1": [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)], "2": [ScoredDoc("b", 1.0)]}
    assert (told.passages, told.pieces, told.pairs_truncated) == (2, 3, 2)
