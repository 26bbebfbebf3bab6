"""`mteb.evaluate` over local tasks made of `pocket`, against instrerank's own runs and measures."""

import json

import pytest

from instrerank.collections import load_instructions, load_qrels, load_topics, open_passages
from instrerank.encoders import load_encoder
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.integrations.results import write_mteb_predictions
from instrerank.reranking import rerank, select_candidates
from instrerank.trec import Run, read_run

pytestmark = pytest.mark.mteb

QIDS = ("01", "04", "07")
KINDS = {"og": "original", "changed": "changed"}


@pytest.fixture(scope="module")
def first_stage():
    """BM25's best ten of three topics."""
    rankings = read_run("runs/run.pocket.bm25.none.none.clean.txt").rankings
    return Run("bm25", {qid: rankings[qid][:10] for qid in QIDS})


@pytest.fixture(scope="module")
def texts(first_stage):
    docids = sorted({docid for ranking in first_stage.rankings.values() for docid, _ in ranking})
    return open_passages("pocket").lookup(docids)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("minilm")


@pytest.fixture(scope="module")
def reranked(encoder, first_stage, texts):
    """The same by instrerank: a run for each of the two instructions, and one without."""
    runs = {}
    for kind, instructions in {
        "none": {},
        "og": load_instructions("pocket"),
        "changed": load_instructions("pocket:changed"),
    }.items():
        topics = [
            topic._replace(instruction=instructions.get(topic.qid, ""))
            for topic in load_topics("pocket")
            if topic.qid in QIDS
        ]
        candidates, _ = select_candidates(first_stage, topics, texts, hits=10)
        runs[kind], _ = rerank(candidates, texts, encoder, tag="minilm")
    return runs


def make_task(kind, first_stage, texts):
    """Return a retrieval task without instructions, or an instruction reranking task in FollowIR's form."""
    from datasets import Dataset
    from mteb._evaluators.retrieval_metrics import evaluate_p_mrr_change
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    topics = [topic for topic in load_topics("pocket") if topic.qid in QIDS]
    instructed = kind == "InstructionReranking"
    queries, relevant_docs = [], {}
    for suffix, name in KINDS.items() if instructed else {"": "original"}.items():
        instructions, qrels = load_instructions(f"pocket:{name}"), load_qrels(f"pocket:{name}")
        for topic in topics:
            qid = f"{topic.qid}-{suffix}" if instructed else topic.qid
            row = {"id": qid, "text": topic.text}
            queries.append({**row, "instruction": instructions[topic.qid]} if instructed else row)
            relevant_docs[qid] = {docid: grade for docid, grade in qrels[topic.qid].items() if docid in texts}

    class Pocket(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=f"Pocket{kind}",
            description="pocket",
            dataset={"path": "pocket", "revision": "1"},
            type=kind,
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="p-MRR" if instructed else "ndcg_at_10",
            prompt={"query": "without tides"},
        )

        def load_data(self, num_proc=None, **kwargs):
            corpus = [{"id": docid, "title": "", "text": text} for docid, text in texts.items()]
            top_ranked = {row["id"]: [docid for docid, _ in first_stage.rankings[row["id"][:2]]] for row in queries}
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_list(corpus),
                        "queries": Dataset.from_list(queries),
                        "relevant_docs": relevant_docs,
                        "top_ranked": top_ranked if instructed else None,
                    }
                }
            }
            self.data_loaded = True

        def task_specific_scores(self, scores, qrels, results, hf_split, hf_subset):
            if not instructed:
                return {}
            changed = changed_documents(load_qrels("pocket"), load_qrels("pocket:changed"))
            return evaluate_p_mrr_change(qrels, results, {qid: changed[qid] for qid in QIDS}, self.k_values)

    return Pocket()


def run_mteb(encoder, task, folder, **options):
    import mteb

    from instrerank.integrations.mteb import MtebEncoder

    result = mteb.evaluate(
        MtebEncoder(encoder, **options),
        task,
        cache=mteb.ResultCache(folder / "cache"),
        prediction_folder=folder / "predictions",
        show_progress_bar=False,
        co2_tracker=False,
    )
    return result.task_results[0].scores["test"][0]


def test_instruction_reranking(encoder, first_stage, texts, reranked, tmp_path):
    task = make_task("InstructionReranking", first_stage, texts)
    scores = run_mteb(encoder, task, tmp_path)
    changed = changed_documents(load_qrels("pocket"), load_qrels("pocket:changed"))
    values = p_mrr_by_topic(reranked["og"], reranked["changed"], {qid: changed[qid] for qid in QIDS})
    assert scores["p-MRR"] == pytest.approx(sum(values.values()) / len(values))

    predictions = json.loads((tmp_path / "predictions" / "PocketInstructionReranking_predictions.json").read_text())
    for suffix in KINDS:
        for qid, ranking in reranked[suffix].rankings.items():
            found = predictions["default"]["test"][f"{qid}-{suffix}"]
            assert found == pytest.approx(dict(ranking), abs=1e-6)

    saved = list((tmp_path / "cache").rglob("PocketInstructionReranking.json"))
    assert len(saved) == 1
    assert "instrerank__minilm" in str(saved[0])
    assert json.loads(saved[0].read_text())["scores"]["test"][0]["p-MRR"] == pytest.approx(scores["p-MRR"], abs=1e-5)


def test_retrieval_then_reranking_of_a_run_that_export_wrote(encoder, first_stage, texts, reranked, tmp_path):
    task = make_task("Retrieval", first_stage, texts)
    whole = run_mteb(encoder, task, tmp_path / "retrieval")
    write_mteb_predictions(tmp_path / "PocketRetrieval_predictions.json", first_stage)
    again = make_task("Retrieval", first_stage, texts).convert_to_reranking(tmp_path, top_k=10)
    scores = run_mteb(encoder, again, tmp_path / "reranking")
    qrels = {qid: {d: g for d, g in load_qrels("pocket")[qid].items() if d in texts} for qid in QIDS}
    expected = evaluate(reranked["none"], qrels, ["ndcg_cut.10", "recall.5"]).means
    assert scores["ndcg_at_10"] == pytest.approx(expected["ndcg_cut_10"], abs=1e-5)
    assert scores["recall_at_5"] == pytest.approx(expected["recall_5"], abs=1e-5)
    assert scores["previous_results_model_meta"] == {"model_name": "bm25", "revision": None}
    assert 0 < whole["ndcg_at_10"] <= 1


def test_the_prompt_of_the_task_is_an_instruction_where_asked(words, first_stage, texts, tmp_path):
    task = make_task("Retrieval", first_stage, texts)
    run_mteb(words, task, tmp_path / "without")
    assert {instruction for _, instruction in words.queries} == {""}
    words.queries.clear()
    run_mteb(words, task, tmp_path / "with", task_prompts=True)
    assert {instruction for _, instruction in words.queries} == {"without tides"}
    words.queries.clear()
    run_mteb(words, make_task("InstructionReranking", first_stage, texts), tmp_path, task_prompts=True)
    assert {instruction for _, instruction in words.queries} == {
        load_instructions(f"pocket:{name}")[qid] for name in KINDS.values() for qid in QIDS
    }


def test_what_results_are_filed_under(words):
    import dataclasses

    from instrerank.integrations.mteb import MtebEncoder

    words.name = "models/words"
    meta = MtebEncoder(words).mteb_model_meta
    assert meta.name == "models/words"
    assert meta.use_instructions
    words.profile = dataclasses.replace(words.profile, query_template="query: {q} {i}")
    assert MtebEncoder(words).mteb_model_meta.revision != meta.revision
    words.name = "/somewhere/models/words"
    assert MtebEncoder(words).mteb_model_meta.name == "instrerank/words"
    assert MtebEncoder(words, meta=meta).mteb_model_meta is meta


def test_instructions_stand_where_the_model_card_or_mteb_has_them(tmp_path, first_stage, texts):
    """`after` gives the text of mteb's instruct wrappers: the task prompt in the slot, the instruction at the end."""
    import dataclasses

    from mteb.types import PromptType
    from torch.utils.data import DataLoader

    from instrerank.integrations.mteb import MtebEncoder

    encoder = load_encoder("minilm", query_template="Instruct: {i}\nQuery: {q}")
    metadata = make_task("InstructionReranking", first_stage, texts).metadata
    rows = [{"text": "moon Only tides.", "query": "moon", "instruction": "Only tides."}]

    def vectors(**options):
        model = MtebEncoder(encoder, **options)
        return model.encode(
            DataLoader(rows),
            task_metadata=metadata,
            hf_split="test",
            hf_subset="default",
            prompt_type=PromptType.query,
        )

    def plain(*pair):
        return encoder.encode_queries(*([each] for each in pair)).vectors

    assert (vectors(task_prompts=True) == plain("moon", "Only tides.")).all()
    after = {"task_prompts": True, "instruction_placement": "after"}
    assert (vectors(**after) == plain("moon Only tides.", "without tides")).all()
    assert (vectors(instruction_placement="both") == plain("moon Only tides.", "Only tides.")).all()
    revisions = {MtebEncoder(encoder, **options).mteb_model_meta.revision for options in ({}, after)}
    assert len(revisions) == 2
    assert encoder.profile == dataclasses.replace(encoder.profile, query_template="Instruct: {i}\nQuery: {q}")


def test_empty_documents_score_last_on_request(words, first_stage, texts, tmp_path, caplog):
    docids = sorted(texts)[:2]
    task = make_task("Retrieval", first_stage, {**texts, **dict.fromkeys(docids, " ")})
    run_mteb(words, task, tmp_path, empty="score-last")
    assert f"2 of {len(texts)} documents have an empty text and score last" in caplog.text
    predictions = json.loads((tmp_path / "predictions" / "PocketRetrieval_predictions.json").read_text())
    for ranking in predictions["default"]["test"].values():
        assert {docid for docid, score in ranking.items() if score == -1e9} == set(docids)
    assert "" not in {text.strip() for text in words.passages}
