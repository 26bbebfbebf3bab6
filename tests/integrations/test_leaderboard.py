"""Over the same rankings, mteb's own evaluation of each kind of task and ours agree in every digit mteb gives.

mteb's task classes read local data in the hub's form and rank by an encoder that counts four words, so that many
scores tie. mteb rounds nDCG, MAP and recall to five decimals; p-MRR, robustness@10, paired accuracy have all digits.
"""

import json

import mteb_hub
import pytest

import instrerank as ir
from instrerank.cli import main
from instrerank.collections import load_qrels, load_run, load_topics, open_passages
from instrerank.collections.mteb_data import mteb_excluded
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic, run_under
from instrerank.evaluation.means import mean
from instrerank.evaluation.measures import evaluate
from instrerank.reranking import rerank, select_candidates
from instrerank.study.rows import InstructionEffect
from instrerank.study.table_files import read_table
from instrerank.trec import Run, count_tied, ranked

pytestmark = pytest.mark.mteb

MEASURES = {"ndcg_at_{}": "ndcg_cut.{}", "map_at_{}": "map_cut.{}", "recall_at_{}": "recall.{}"}
DEPTHS = (1, 3, 5, 10, 20, 100, 1000)


@pytest.fixture
def leaderboard(words, monkeypatch, tmp_path):
    """Return a function that lets mteb evaluate a task over local data: its scores, and its rankings as a run."""
    import mteb

    from instrerank.integrations.mteb import MtebEncoder

    def run(name, folder, subset="default", **options):
        mteb_hub.register(monkeypatch, name, folder)
        result = mteb.evaluate(
            MtebEncoder(words, **options),
            mteb.get_task(name),
            cache=None,
            prediction_folder=tmp_path / "predictions",
            show_progress_bar=False,
            co2_tracker=False,
        )
        [(split, scores)] = result.task_results[0].scores.items()
        [of_subset] = [each for each in scores if each["hf_subset"] == subset]
        rankings = mteb_hub.predictions(tmp_path / "predictions", name)[subset][split]
        return of_subset, Run("mteb", ranked(rankings))

    return run


def same(scores, run, qrels):
    """Check mteb's trec_eval measures, means over the judged topics, against ours."""
    wanted = [name.format(depth) for name in MEASURES.values() for depth in DEPTHS]
    means = evaluate(run, qrels, wanted).means
    for theirs, name in MEASURES.items():
        for depth in DEPTHS:
            assert scores[theirs.format(depth)] == round(means[name.replace(".", "_").format(depth)], 5)


def own_measures(run, qrels):
    """Return the benchmark's own measures that `evaluate` prints for qrels of this name."""
    return {measure: mean(units) for measure, units in ir.evaluate(run, qrels).benchmark.items()}


def ours(name, words, hits=1000, **policies):
    """Rerank the candidates of a task through the one door."""
    topics, run = load_topics(name), load_run(name)
    texts = open_passages(name).lookup({docid for ranking in run.rankings.values() for docid, _ in ranking})
    candidates, _ = select_candidates(run, topics, texts, hits=hits, **policies)
    return rerank(candidates, texts, words, tag="words")[0]


def ties(run):
    return sum(count_tied(ranking) for ranking in run.rankings.values())


@pytest.mark.parametrize(
    "name", ["Core17InstructionRetrieval", "News21InstructionRetrieval", "Robust04InstructionRetrieval"]
)
def test_followir(leaderboard, words, tmp_path, name):
    scores, run = leaderboard(name, mteb_hub.write_followir(tmp_path / "data", mteb_hub.followir()))
    check_followir(scores, run, f"mteb:{name}", words)


def test_the_p_mrr_of_a_study_is_the_leaderboards(leaderboard, words, tmp_path):
    name = "Robust04InstructionRetrieval"
    scores, _ = leaderboard(name, mteb_hub.write_followir(tmp_path / "data", mteb_hub.followir()))
    folder = tmp_path / "study"
    assert main(["study", "--collection", f"mteb:{name}", "--encoders", "words", "--output", str(folder)]) == 0
    rows = {row.measure: row for row in read_table(folder / "tables/fixed/instructions.csv", InstructionEffect)}
    assert rows["p_mrr"].mean == pytest.approx(100 * scores["p-MRR"], rel=1e-12) != 0


def test_mfollowir_and_its_cross_lingual_half(leaderboard, words, tmp_path):
    folder = mteb_hub.write_mfollowir(tmp_path / "data", mteb_hub.followir(12), ("fas", "rus", "zho"))
    for name, subset in (("mFollowIR", "rus"), ("mFollowIRCrossLingual", "eng-zho")):
        scores, run = leaderboard(name, folder, subset)
        check_followir(scores, run, f"mteb:{name}/{subset}", words)


def check_followir(scores, run, name, words):
    original, changed = load_qrels(name), load_qrels(f"{name}:changed")
    documents = changed_documents(original, changed)
    assert ties(run) > 100
    before, after = run_under(run, "original"), run_under(run, "changed")
    values = p_mrr_by_topic(before, after, documents)
    assert scores["p-MRR"] == pytest.approx(sum(values.values()) / len(values), rel=1e-14) != 0
    same(scores["og"], before, original)
    same(scores["changed"], after, changed)
    assert ours(name, words).rankings == before.rankings
    assert ours(f"{name}:changed", words).rankings == after.rankings


def test_instructir(leaderboard, words, tmp_path):
    scores, run = leaderboard("InstructIR", mteb_hub.write_instructed(tmp_path / "data", "{topic}_{variant}"))
    qrels = load_qrels("mteb:InstructIR")
    assert own_measures(run, "mteb:InstructIR") == {
        "robustness_at_10": pytest.approx(scores["robustness_at_10"], rel=1e-14)
    }
    assert 0 < scores["robustness_at_10"] < scores["ndcg_at_10"]
    same(scores, run, qrels)


def test_nevir(leaderboard, words, tmp_path):
    scores, run = leaderboard("NevIR", mteb_hub.write_nevir(tmp_path / "data", pairs=60))
    qrels = load_qrels("mteb:NevIR")
    assert own_measures(run, "mteb:NevIR") == {"paired_accuracy": scores["paired_accuracy"]}
    assert 0 < scores["paired_accuracy"] < 1 and ties(run)
    assert ours("mteb:NevIR", words).rankings == run.rankings
    same(scores, run, qrels)


@pytest.mark.parametrize(
    "name", ["IFIRAila", "IFIRCds", "IFIRFiQA", "IFIRFire", "IFIRNFCorpus", "IFIRPm", "IFIRScifact"]
)
def test_ifir(leaderboard, words, tmp_path, name):
    scores, run = leaderboard(name, mteb_hub.write_instructed(tmp_path / "data", "{topic}v{variant}"))
    qrels = load_qrels(f"mteb:{name}")
    same(scores, run, qrels)
    assert own_measures(run, f"mteb:{name}") == {
        f"ndcg_cut_20 level {level[-1]}": pytest.approx(value, rel=1e-14)
        for level, value in scores.get("level_scores", {}).items()
    }


def test_beir_and_queries_that_are_documents(leaderboard, words, tmp_path):
    scores, run = leaderboard("NFCorpus", mteb_hub.write_beir(tmp_path / "plain"))
    same(scores, run, load_qrels("mteb:NFCorpus"))
    scores, run = leaderboard("ArguAna", mteb_hub.write_beir(tmp_path / "own", own=True))
    excluded = mteb_excluded("mteb:ArguAna")
    kept = {qid: [d for d in ranking if d.docid not in excluded[qid]] for qid, ranking in run.rankings.items()}
    same(scores, Run("mteb", kept), load_qrels("mteb:ArguAna"))


def test_bright(leaderboard, words, tmp_path):
    folder = mteb_hub.write_bright(tmp_path / "data", "pony")
    for name in ("BrightPonyRetrieval", "BrightPonyLongRetrieval"):
        scores, run = leaderboard(name, folder)
        same(scores, run, load_qrels(f"mteb:{name}"))
        assert ours(f"mteb:{name}", words).rankings == run.rankings
        excluded = mteb_excluded(f"mteb:{name}") if name == "BrightPonyRetrieval" else {}
        for qid, docids in excluded.items():
            assert not {document.docid for document in run.rankings[qid]} & set(docids)


def test_what_mteb_saves_for_a_submission_is_read_by_its_own_tools(words, monkeypatch, tmp_path):
    import mteb

    from instrerank.integrations.mteb import MtebEncoder

    folder = mteb_hub.write_followir(tmp_path / "data", mteb_hub.followir(5))
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", folder)
    words.name = "org/mine"
    meta = MtebEncoder(words).mteb_model_meta.model_copy(update={"revision": "1" * 40})
    cache = mteb.ResultCache(tmp_path / "results")
    task = mteb.get_task("Core17InstructionRetrieval")
    mteb.evaluate(MtebEncoder(words, meta=meta), task, cache=cache, show_progress_bar=False, co2_tracker=False)
    saved = tmp_path / "results" / "results" / "org__mine" / ("1" * 40)
    assert sorted(path.name for path in saved.iterdir()) == [
        "Core17InstructionRetrieval.json",
        "model_meta.json",
        "run_settings.jsonl",
    ]
    assert json.loads((saved / "run_settings.jsonl").read_text())["task"] == "Core17InstructionRetrieval"
    [found] = cache.load_results(tasks=["Core17InstructionRetrieval"]).model_results
    assert (found.model_name, found.model_revision) == ("org/mine", "1" * 40)
    assert found.task_results[0].get_score() == pytest.approx(task_score(saved), abs=1e-5)
    assert list(cache._get_unsubmitted_results([meta])) == [meta]


def task_score(folder):
    return json.loads((folder / "Core17InstructionRetrieval.json").read_text())["scores"]["test"][0]["main_score"]
