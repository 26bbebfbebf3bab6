"""`mteb:TASK` through the one door, over local data in the hub's form and by mteb's own loaders."""

from pathlib import Path

import mteb_hub
import pytest
import yaml

from instrerank.collections import load_instructions, load_qrels, load_run, load_topics, open_passages
from instrerank.collections.mteb_data import mteb_excluded
from instrerank.collections.mteb_tasks import mteb_settings
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic
from instrerank.perturbations.querysets import source_name
from instrerank.trec import read_run

pytest.importorskip("mteb")

CORE17 = "mteb:Core17InstructionRetrieval"


@pytest.fixture
def followir(monkeypatch, tmp_path):
    parts = mteb_hub.followir()
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", mteb_hub.write_followir(tmp_path / "data", parts))
    return parts


def test_followir_has_two_sets_of_instructions_and_qrels_over_the_same_topics(followir):
    original, changed = load_topics(CORE17), load_topics(f"{CORE17}:changed")
    assert [topic.qid for topic in original] == [topic.qid for topic in changed] == [str(n) for n in range(301, 321)]
    assert [topic.text for topic in original] == [row["text"] for row in followir["queries"][::2]]
    assert {topic.instruction for topic in original} == {"Any passage counts."}
    assert load_instructions(f"{CORE17}:changed") == {
        row["query-id"][:3]: row["instruction"] for row in followir["instruction"][1::2]
    }
    assert load_instructions(CORE17) == load_instructions(f"{CORE17}:original")
    before, after = load_qrels(CORE17), load_qrels(f"{CORE17}:changed")
    differing = {qid: sorted(d for d in before[qid] if before[qid][d] != after[qid][d]) for qid in before}
    assert differing == {row["query-id"]: sorted(row["corpus-ids"]) for row in followir["qrel_diff"]}


def test_candidates_keep_the_order_of_mtebs_lists(followir):
    run = load_run(CORE17)
    assert run.tag == "Core17InstructionRetrieval"
    for row in followir["top_ranked"][::2]:
        ranking = run.rankings[row["query-id"][:3]]
        assert [document.docid for document in ranking] == row["corpus-ids"]
        assert [document.score for document in ranking] == [float(n) for n in range(30, 0, -1)]


def test_passages_are_read_as_mteb_reads_them(monkeypatch, tmp_path):
    from datasets import Dataset
    from mteb._create_dataloaders import _retrieval_texts
    from mteb.types import PromptType

    rows = [
        {"_id": "a", "title": "Tides", "text": " come and go "},
        {"_id": "b", "title": "", "text": "  bread\n"},
        {"_id": "c", "title": " ", "text": ""},
    ]
    folder = mteb_hub.write_beir(tmp_path / "data")
    mteb_hub.write_dataset(
        tmp_path / "data",
        {
            ("corpus", "corpus"): rows,
            ("queries", "queries"): [{"_id": "q", "text": "moon"}],
            ("default", "test"): mteb_hub.qrel_rows({"q": {"a": 1}}),
        },
    )
    mteb_hub.register(monkeypatch, "NFCorpus", folder)
    expected = _retrieval_texts(Dataset.from_list([{**row, "id": row["_id"]} for row in rows]), PromptType.document)
    passages = open_passages("mteb:NFCorpus")
    assert [passage.text for passage in passages] == expected == ["Tides  come and go", "bread", ""]
    assert passages.lookup(["b", "a", "x"]) == {"b": "bread", "a": "Tides  come and go"}


def test_a_task_of_beir_has_judged_topics_only_and_no_candidates(monkeypatch, tmp_path):
    mteb_hub.register(monkeypatch, "NFCorpus", mteb_hub.write_beir(tmp_path / "data"))
    assert [topic.qid for topic in load_topics("mteb:NFCorpus")] == [f"q{n}" for n in range(12)]
    assert sorted(load_qrels("mteb:NFCorpus")["q0"].values()) == [0, 1, 2]
    with pytest.raises(InputError, match="no candidates, mteb ranks its whole corpus"):
        load_run("mteb:NFCorpus")
    with pytest.raises(InputError, match="has no instructions"):
        load_instructions("mteb:NFCorpus")
    with pytest.raises(InputError, match="no changed instructions: give mteb:NFCorpus$"):
        load_qrels("mteb:NFCorpus:changed")
    with pytest.raises(InputError, match="excludes no document"):
        mteb_excluded("mteb:NFCorpus")


def test_subsets_are_named_where_a_task_has_several(monkeypatch, tmp_path):
    folder = mteb_hub.write_mfollowir(tmp_path / "data", mteb_hub.followir(3), ("fas", "rus", "zho"))
    mteb_hub.register(monkeypatch, "mFollowIR", folder)
    assert len(load_topics("mteb:mFollowIR/fas:changed")) == len(load_topics("mteb:mFollowIR/rus/test")) == 3
    with pytest.raises(InputError, match="several subsets: give mteb:mFollowIR/SUBSET, one of fas, rus, zho"):
        load_topics("mteb:mFollowIR")
    with pytest.raises(InputError, match="no subset or split deu. Subsets: fas, rus, zho; splits: test"):
        load_topics("mteb:mFollowIR/fas/deu")
    mteb_hub.register(monkeypatch, "mFollowIRCrossLingual", folder)
    assert len(load_run("mteb:mFollowIRCrossLingual/eng-zho:changed").rankings) == 3


@pytest.mark.parametrize("name, qid", [("InstructIR", "{topic}_{variant}"), ("IFIRPm", "{topic}v{variant}")])
def test_topics_have_their_own_instructions(monkeypatch, tmp_path, name, qid):
    mteb_hub.register(monkeypatch, name, mteb_hub.write_instructed(tmp_path / "data", qid))
    topics = load_topics(f"mteb:{name}")
    assert len(topics) == 36
    assert load_instructions(f"mteb:{name}") == {topic.qid: topic.instruction for topic in topics}


def test_nevir_has_two_candidates_for_each_query(monkeypatch, tmp_path):
    mteb_hub.register(monkeypatch, "NevIR", mteb_hub.write_nevir(tmp_path / "data"))
    assert [document.docid for document in load_run("mteb:NevIR").rankings["3_q2"]] == ["3_doc1", "3_doc2"]


def test_documents_that_bright_excludes_are_not_candidates(monkeypatch, tmp_path):
    folder = mteb_hub.write_bright(tmp_path / "data", "pony")
    mteb_hub.register(monkeypatch, "BrightPonyRetrieval", folder)
    name = "mteb:BrightPonyRetrieval"
    excluded, rankings = mteb_excluded(name), load_run(name).rankings
    assert set(excluded) == {"1", "3", "5", "7", "9"}
    docids = {passage.docid for passage in open_passages(name)}
    for qid, ranking in rankings.items():
        assert {document.docid for document in ranking} == docids - set(excluded.get(qid, ()))
    mteb_hub.register(monkeypatch, "BrightPonyLongRetrieval", folder)
    assert {p.docid for p in open_passages("mteb:BrightPonyLongRetrieval")} == {f"long{n}" for n in range(9)}


def test_excluded_documents_leave_the_candidates_of_another_first_stage(words, monkeypatch, tmp_path):
    import instrerank as ir

    name = "mteb:BrightPonyRetrieval"
    mteb_hub.register(monkeypatch, "BrightPonyRetrieval", mteb_hub.write_bright(tmp_path / "data", "pony"))
    everything = [passage.docid for passage in open_passages(name)]
    run = {topic.qid: {docid: -place for place, docid in enumerate(everything)} for topic in load_topics(name)}
    found = ir.rerank(run, name, corpus=name, encoder=words, exclude=name, hits=100).run.rankings
    for qid, ranking in load_run(name).rankings.items():
        assert {document.docid for document in found[qid]} == {document.docid for document in ranking}


def test_a_query_that_is_a_document_is_excluded_where_mteb_drops_it(monkeypatch, tmp_path):
    mteb_hub.register(monkeypatch, "ArguAna", mteb_hub.write_beir(tmp_path / "data", own=True))
    assert mteb_excluded("mteb:ArguAna") == {f"d{n:03}": [f"d{n:03}"] for n in range(12)}


@pytest.mark.parametrize(
    "name, message",
    [
        ("mteb:Core17Instruction", "no task of that name .nearest: Core17InstructionRetrieval"),
        ("mteb:", "no task of that name"),
        ("mteb:followir", "nearest: mFollowIR, mFollowIRCrossLingual"),
        ("mteb:FollowIR-Robust04", "nearest: Robust04InstructionRetrieval, mFollowIR"),
        ("mteb:ImdbClassification", "is a task of type Classification over text; expected"),
        ("mteb:CIRRITI2TRetrieval", "no task of that name|over image"),
        ("mteb:CQADupstackRetrieval", "mean of several tasks; give one of CQADupstackAndroidRetrieval, "),
        ("mteb:NFCorpus:new", "only original or changed can follow"),
        ("mteb:NFCorpus/train", "no subset or split train. Subsets: default; splits: test"),
        ("mteb:MSMARCOv2", "several splits: give mteb:MSMARCOv2/SPLIT, one of train, dev, dev2"),
    ],
)
def test_names_that_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        load_topics(name)


def test_a_split_or_a_column_that_the_data_lack(monkeypatch, tmp_path):
    parts = mteb_hub.followir(3)
    queries = [{"_id": row["_id"], "question": row["text"]} for row in parts["queries"]]
    mteb_hub.register(
        monkeypatch,
        "Core17InstructionRetrieval",
        mteb_hub.write_followir(tmp_path / "columns", {**parts, "queries": queries}),
    )
    with pytest.raises(InputError, match=r"mteb cannot read the task's data \(KeyError: 'text'"):
        load_topics(CORE17)
    folder = mteb_hub.write_dataset(
        tmp_path / "splits", {("default", split): mteb_hub.qrel_rows({"q": {"d": 1}}) for split in ("train", "dev")}
    )
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", folder)
    with pytest.raises(InputError, match="Split test not found"):
        load_topics(CORE17)


def test_a_hub_out_of_reach_says_what_to_download(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", Path("nobody/there"))
    with pytest.raises(MissingPrerequisiteError, match="nobody/there at revision made-up") as error:
        load_topics(CORE17)
    assert 'mteb.get_task("Core17InstructionRetrieval").load_data()' in str(error.value)


def test_conversations_are_no_topics(monkeypatch, tmp_path):
    parts = mteb_hub.followir(2)
    queries = [{"_id": row["_id"], "text": [row["text"]]} for row in parts["queries"]]
    folder = mteb_hub.write_followir(tmp_path / "data", {**parts, "queries": queries})
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", folder)
    with pytest.raises(InputError, match="queries are conversations"):
        load_topics(CORE17)


def test_the_settings_of_a_study_follow_from_the_metadata():
    assert mteb_settings(CORE17) == {
        **dict.fromkeys(("topics", "qrels", "corpus", "instructions", "run"), CORE17),
        **dict.fromkeys(("changed_instructions", "changed_qrels"), f"{CORE17}:changed"),
        "hits": 1000,
    }
    assert mteb_settings("mteb:NFCorpus") == dict.fromkeys(("topics", "qrels", "corpus"), "mteb:NFCorpus")
    assert mteb_settings("mteb:NevIR")["hits"] == 2
    assert source_name("mteb:mFollowIR/fas") == "mFollowIR-fas"


def test_empty_documents_of_a_task_rank_last_in_a_study_on_request(words, monkeypatch, tmp_path):
    from instrerank.study import run_study
    from instrerank.trec import read_run

    parts = mteb_hub.followir(6)
    for row in parts["corpus"][::10]:
        row["text"] = " "
    folder = mteb_hub.write_followir(tmp_path / "data", parts)
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", folder)
    settings = {"collection": CORE17, "encoders": ["words"]}
    with pytest.raises(
        InputError, match="no text for 5 candidate docids: .*; empty: score-last ranks the 5 that are empty last"
    ):
        run_study(settings, output=tmp_path / "refused")
    done = run_study({**settings, "empty": "score-last"}, output=tmp_path / "study")
    assert not done.failures
    [run] = (tmp_path / "study" / "runs").rglob("*.words.own.clean.txt")
    for ranking in read_run(run).rankings.values():
        empty = [document.docid.endswith("0") for document in ranking]
        assert empty == sorted(empty) and any(empty)


def test_a_study_of_a_task_measures_p_mrr_and_records_the_revision_of_its_data(words, followir, tmp_path):
    from instrerank.cli import main
    from instrerank.jobs.sidecar import read_sidecar
    from instrerank.study.rows import InstructionEffect
    from instrerank.study.table_files import read_table

    folder = tmp_path / "study"
    assert main(["study", "--collection", CORE17, "--encoders", "words", "--output", str(folder)]) == 0
    rows = list(read_table(folder / "tables" / "fixed" / "instructions.csv", InstructionEffect))
    [moved] = [row for row in rows if row.measure == "p_mrr"]
    before, after = (
        read_run(folder / f"runs/fixed/run.Core17InstructionRetrieval.bm25.words.{condition}.clean.txt")
        for condition in ("own", "changed")
    )
    documents = changed_documents(load_qrels(CORE17), load_qrels(f"{CORE17}:changed"))
    values = p_mrr_by_topic(before, after, documents)
    assert moved.topics == len(values) == 16
    assert moved.mean == pytest.approx(100 * sum(values.values()) / 16) != 0
    assert {"own", "changed"} <= {row.instructions for row in rows}
    [first_stage] = (folder / "runs/fixed").glob("*.bm25.none.none.clean.txt")
    [stage] = read_sidecar(first_stage)["method"]["retrieval"]
    data = read_sidecar(folder / "runs/fixed/run.Core17InstructionRetrieval.bm25.words.own.clean.txt")["data"]
    [passages] = [each for each in data["other"] if each["name"] == "passages"]
    for described in (stage, passages):
        assert (described["dataset"], described["revision"]) == (str(tmp_path / "data"), "made-up")
    record = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    assert record["inputs"]["changed_qrels"]["revision"] == "made-up"


def test_another_revision_of_the_data_is_another_run(words, followir, monkeypatch, tmp_path):
    import instrerank as ir
    from instrerank.jobs.sidecar import read_sidecar

    settings = {"corpus": CORE17, "encoder": words, "output": tmp_path / "run.txt", "hits": 30}
    ir.rerank(CORE17, CORE17, **settings)
    [topics, *_] = read_sidecar(tmp_path / "run.txt")["data"]["other"]
    assert topics == {"name": "topics", "source": CORE17, "dataset": str(tmp_path / "data"), "revision": "made-up"}
    mteb_hub.register(monkeypatch, "Core17InstructionRetrieval", tmp_path / "data", revision="newer")
    with pytest.raises(InputError, match="made with another configuration"):
        ir.rerank(CORE17, CORE17, **settings)


@pytest.mark.parametrize(
    "name, first",
    [
        ("FollowIR-Robust04", "mteb:Robust04InstructionRetrieval"),
        ("followir-news21", "mteb:News21InstructionRetrieval"),
        ("NevIR", "mteb:NevIR"),
        ("BRIGHT-pony", "mteb:BrightPony"),
    ],
)
def test_the_name_of_a_benchmark_without_prefix_is_answered_with_the_task(name, first):
    from instrerank.study import configure

    with pytest.raises(InputError, match=rf"unknown collection '{name}' \(nearest: {first}"):
        configure({"collection": name, "encoders": ["minilm"]})
