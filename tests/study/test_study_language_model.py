"""A study with variants by a language model: asked once, resumed without the endpoint."""

import pytest
import yaml

from instrerank.cli import main
from instrerank.collections import POCKET
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.study import configure, make_plan, run_study
from instrerank.trec import Run, ScoredDoc, read_topics, write_run, write_topics


@pytest.fixture
def settings(chat, tmp_path, monkeypatch):
    monkeypatch.setattr("instrerank.study.study.write_report", lambda folder: None)
    docids = [line.split('"')[3] for line in (POCKET / "passages.jsonl").read_text().splitlines()[:20]]
    ranking = [ScoredDoc(docid, 20.0 - rank) for rank, docid in enumerate(docids)]
    topics = read_topics(POCKET / "topics.tsv")[:4]
    write_topics(tmp_path / "topics.four.tsv", topics)
    run = tmp_path / "run.txt"
    write_run(run, Run("bm25", dict.fromkeys([topic.qid for topic in topics], ranking)))
    return {
        "collection": "pocket",
        "topics": str(tmp_path / "topics.four.tsv"),
        "run": str(run),
        "encoders": ["minilm"],
        "perturbations": ["llm-paraphrase"],
        "conditions": ["none"],
        "changed_qrels": None,
        "changed_instructions": None,
        "seeds": [1, 2],
        "measures": ["ndcg_cut.10"],
        "language_model": {"endpoint": chat.url, "model": "m", "meaning_encoder": "none", "concurrency": 2},
    }


def contents(folder):
    names = ("log.jsonl", "index.html", "report.html")
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in names}


def test_it_is_asked_once_and_resumed_without_the_endpoint(chat, settings, tmp_path):
    folder = tmp_path / "study"
    assert run_study(settings, folder).failures == []
    asked = len(chat.requests)
    assert asked == 8
    before = contents(folder)
    recorded = yaml.safe_load((folder / "study.yaml").read_text())["configuration"]["language_model"]
    assert recorded == {"model": "m", "meaning_encoder": "none"}
    chat.close()
    settings["language_model"] = {"model": "m", "meaning_encoder": "none", "key_variable": "OTHER"}
    run_study(settings, folder, resume=True)
    assert contents(folder) == before
    assert len(chat.requests) == asked
    with pytest.raises(InputError, match=r"configuration.language_model.meaning_floor was None and is now 0.0"):
        settings["language_model"] |= {"meaning_encoder": "minilm", "meaning_floor": 0.0}
        run_study(settings, folder, resume=True)


def test_a_preview_asks_nothing(chat, settings, tmp_path, capsys):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(settings))
    folder = tmp_path / "study"
    assert main(["study", str(path), "--output", str(folder), "--dry-run"]) == 0
    assert "would be asked for 8 answers" in capsys.readouterr().out
    assert chat.requests == []
    assert not folder.exists()


def test_rejected_variants_and_a_filter_under_test_are_noted(chat, settings):
    chat.reply = lambda message, before: ""
    settings["language_model"]["meaning_encoder"] = "minilm"
    notes = " ".join(make_plan(configure(settings)).notes)
    assert "llm-paraphrase.s1: 4 variants rejected (empty 4)" in notes
    assert "accepted by minilm, which is also under test" in notes


def test_an_instruction_condition_by_a_language_model(chat, settings):
    chat.reply = lambda message, before: "Leave out coffee."
    settings |= {"conditions": ["none", "own", "llm-adversarial-instruction"], "perturbations": []}
    plan = make_plan(configure(settings))
    assert set(plan.instructions["llm-adversarial-instruction"].values()) == {"Leave out coffee."}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("m", "must be a mapping with `model: NAME`"),
        ({"endpoint": "http://a/v1"}, "must be a mapping with `model: NAME`"),
        ({"model": "m", "modle": "n"}, r"unknown key of language_model: modle \(nearest: model\)"),
        ({"model": "m", "retries": 1.5}, "retries must be a whole number"),
        ({"model": "m", "unanswered": "drop"}, "unanswered must be one of error, keep"),
        ({"model": "m", "endpoint": "ftp://a"}, "`endpoint` must be a URL"),
        ({"model": "m", "request": ["a"]}, "`request` must be a mapping"),
    ],
)
def test_keys_that_are_refused(settings, entry, message):
    with pytest.raises(InputError, match=message):
        configure(settings | {"language_model": entry})


def test_without_a_language_model(settings, tmp_path):
    with pytest.raises(InputError, match="llm-paraphrase needs a language model"):
        make_plan(configure(settings | {"language_model": None}))
    with pytest.raises(InputError, match="4 of 4 answers of m not recorded in"):
        make_plan(configure(settings | {"language_model": {"model": "m"}}), tmp_path)


def test_an_endpoint_that_fails_stops_the_study_before_any_run(chat, settings, tmp_path):
    chat.reply = lambda message, before: (500, {}, {"retry-after-ms": "1"})
    with pytest.raises(MissingPrerequisiteError, match="did not answer"):
        run_study(settings, tmp_path / "study")
    assert not list((tmp_path / "study").rglob("*.txt"))
