"""Documents that may not be retrieved are not in a study's first stage, given or searched."""

import shlex

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.jobs.sidecar import read_sidecar
from instrerank.study import configure, make_plan, run_study
from instrerank.trec import Run, ScoredDoc, read_run, write_run


@pytest.fixture
def settings(words, tmp_path):
    texts = {"a": "moon and tide", "b": "moon", "c": "the moon, the old moon", "d": "bread"}
    (tmp_path / "corpus.tsv").write_text("".join(f"{docid}\t{text}\n" for docid, text in texts.items()))
    (tmp_path / "topics.tsv").write_text("1\tmoon\n2\tmoon tide\n")
    (tmp_path / "qrels.txt").write_text("1 0 a 1\n2 0 b 1\n")
    (tmp_path / "excluded.txt").write_text("1 0 c 1\n1 0 a 0\n")
    ranking = [ScoredDoc(docid, -float(rank)) for rank, docid in enumerate(texts)]
    write_run(tmp_path / "run.txt", Run("bm25", {"1": ranking, "2": ranking}))
    names = {"topics": "topics.tsv", "qrels": "qrels.txt", "corpus": "corpus.tsv", "exclude": "excluded.txt"}
    paths = {key: str(tmp_path / name) for key, name in names.items()}
    return {**paths, "name": "moons", "encoders": ["words"], "measures": ["ndcg_cut.10"], "search_hits": 2}


def first_stage(folder):
    return folder / "runs/fixed/run.moons.bm25.none.none.clean.txt"


def test_of_a_given_run(settings, tmp_path):
    settings |= {"run": str(tmp_path / "run.txt")}
    folder = tmp_path / "study"
    assert not run_study(settings, folder, store=None).failures
    rankings = read_run(first_stage(folder)).rankings
    assert {qid: [document.docid for document in ranking] for qid, ranking in rankings.items()} == {
        "1": ["a", "b", "d"],
        "2": ["a", "b", "c", "d"],
    }
    [stage] = read_sidecar(first_stage(folder))["method"]["retrieval"]
    assert stage["excluded"]["source"] == settings["exclude"]
    assert len(read_run(folder / "runs/fixed/run.moons.bm25.words.none.clean.txt").rankings["1"]) == 3
    del settings["exclude"]
    with pytest.raises(InputError, match="configuration.exclude was"):
        run_study(settings, folder, resume=True, store=None)


def test_of_other_topics_are_refused(settings, tmp_path):
    (tmp_path / "excluded.txt").write_text("7 0 c 1\n")
    with pytest.raises(InputError, match="excluded for 1 qid that the topics do not have: 7"):
        make_plan(configure({**settings, "run": str(tmp_path / "run.txt")}))


def test_all_candidates_are_refused(settings, tmp_path):
    (tmp_path / "excluded.txt").write_text("".join(f"{qid} 0 {docid} 1\n" for qid in "12" for docid in "abcd"))
    with pytest.raises(InputError, match="(?s)no candidate for any topic of .*are not all candidates excluded"):
        run_study({**settings, "run": str(tmp_path / "run.txt")}, tmp_path / "study", store=None)


@pytest.mark.java
def test_of_a_search_whose_command_gives_the_same_run(settings, tmp_path, monkeypatch):
    folder = tmp_path / "study"
    assert not run_study(settings, folder, store=None).failures
    rankings = read_run(first_stage(folder)).rankings
    assert {document.docid for document in rankings["1"]} == {"a", "b"}, "the next one takes its place"
    before = first_stage(folder).read_bytes()
    command = shlex.split(read_sidecar(first_stage(folder))["implementation"]["executable"]["cmd"])
    first_stage(folder).unlink()
    monkeypatch.chdir(folder)
    assert main(command[1:]) == 0
    assert first_stage(folder).read_bytes() == before
