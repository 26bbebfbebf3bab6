"""Query sets, constraints and attacks on TREC DL 2019, against published sets and figures."""

import json

import numpy as np
import pytest
from rapidfuzz.distance import OSA

from instrerank.cli import main
from instrerank.collections import open_passages
from instrerank.encoders import load_encoder
from instrerank.evaluation.measures import evaluate
from instrerank.perturbations import query_set, resolve
from instrerank.perturbations.attack import Attack, Target, least_overlap, rankings
from instrerank.perturbations.constraints import Rule
from instrerank.perturbations.words import eligible
from instrerank.trec import Run, ScoredDoc, read_qrels, read_run, read_topics

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def topics(data):
    return read_topics(data / "dl19" / "topics.tsv")


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("minilm")


@pytest.fixture(scope="module")
def targets(data, topics, encoder):
    run = read_run(data / "dl19" / "run.bm25.trec", keep_first_duplicate=True)
    docids = sorted({hit.docid for ranking in run.rankings.values() for hit in ranking})
    texts = open_passages(data / "dl19" / "passages.jsonl.gz").lookup(docids)
    vectors = encoder.encode_passages([texts[docid] for docid in docids]).vectors
    row = {docid: number for number, docid in enumerate(docids)}
    candidates = {qid: [hit.docid for hit in ranking] for qid, ranking in run.rankings.items()}
    return [
        Target(topic, candidates[topic.qid], vectors[[row[docid] for docid in candidates[topic.qid]]])
        for topic in topics
    ]


@pytest.fixture(scope="module")
def ndcg(data, targets, encoder):
    qrels = read_qrels(data / "dl19" / "qrels.txt")

    def score(topics):
        run = Run("x")
        vectors = encoder.encode_queries([topic.text for topic in topics]).vectors
        for target, vector in zip(targets, vectors, strict=True):
            [ranking] = rankings(target, vector[None])
            run.rankings[target.topic.qid] = [ScoredDoc(docid, -rank) for rank, docid in enumerate(ranking)]
        per_query = evaluate(run, qrels, ["ndcg_cut.10"]).per_query
        return np.array([per_query[topic.qid]["ndcg_cut_10"] for topic in topics])

    return score


def test_the_composite_typo_is_one_edit_in_an_eligible_word_of_every_query(topics):
    for seed in range(1, 11):
        for one in query_set(topics, resolve("typo-mixed"), seed).perturbed:
            assert OSA.distance(one.original.text, one.topic.text) == 1
            [edit] = one.edits
            end = edit.position + len(edit.before)
            assert any(start <= edit.position and end <= stop for start, stop in eligible(one.original.text))


def test_typos_hurt_as_much_as_the_published_ones(data, topics, ndcg):
    clean = ndcg(topics).mean()
    assert clean == pytest.approx(0.6424, abs=0.002)
    published = [ndcg(read_topics(data / "dl19" / "typos" / f"typo{n}.tsv")).mean() for n in range(1, 6)]
    assert np.mean(published) == pytest.approx(0.5389, abs=0.002)
    ours = [ndcg(query_set(topics, resolve("typo-mixed"), seed).topics).mean() for seed in range(1, 11)]
    assert np.mean(ours) == pytest.approx(np.mean(published), abs=0.03)


def test_an_attack_without_qrels_beats_random_typos(topics, targets, encoder, ndcg):
    from scipy.stats import ttest_rel

    vectors = encoder.encode_queries([topic.text for topic in topics]).vectors
    clean = {t.topic.qid: rankings(t, vector[None])[0] for t, vector in zip(targets, vectors, strict=True)}
    attack = Attack(encoder, resolve("typo-mixed"), least_overlap(clean))
    found = [attack(target) for target in targets]
    assert all(one.candidates <= 200 and len(one.perturbed.edits) == 1 for one in found)
    attacked = ndcg([one.perturbed.topic for one in found])
    random = np.mean([ndcg(query_set(topics, resolve("typo-mixed"), seed).topics) for seed in range(1, 11)], axis=0)
    assert random.mean() - attacked.mean() > 0.15
    assert ttest_rel(attacked, random).pvalue < 0.001


def test_constraints_split_the_topics_of_the_pool(data, tmp_path):
    command = [
        *("constrain", "--topics", str(data / "dl19" / "topics.tsv"), "--qrels", str(data / "dl19" / "qrels.txt")),
        *("-l", "2", "--corpus", str(data / "pool" / "passages.jsonl.gz"), "--output", str(tmp_path)),
    ]
    assert main(command) == 0
    records = [json.loads(line) for line in (tmp_path / "constraints.jsonl").read_text().splitlines()]
    assert len(records) >= 25
    original, changed = (read_qrels(tmp_path / f"qrels.{name}.txt") for name in ("original", "changed"))
    texts = open_passages(data / "pool" / "passages.jsonl.gz").lookup({d for r in records for d in r["dropped"]})
    lines = (tmp_path / "changed.tsv").read_text().splitlines()
    assert len(lines) == sum(len(record["dropped"]) for record in records)
    for record in records:
        for docid in record["dropped"]:
            assert original[record["qid"]][docid] >= 2
            assert changed[record["qid"]][docid] == 0
            assert not Rule(**record["rule"]).allows(texts[docid])


def test_recorded_variants_are_read_as_published(data, topics):
    spec = f"recorded:file={data / 'dl19' / 'variations.tsv'}:method=ordering-WordInnerSwapRandom"
    queries = query_set(topics, resolve(spec), 1, "dl19")
    assert queries.name == "dl19.recorded-file-variations-method-ordering-WordInnerSwapRandom.s1"
    assert queries.provenance["changed"] == 43
