"""`export`: what it writes is what the other side reads, and nothing is written that breaks its rules."""

import json

import pytest
import yaml

from instrerank.cli import main
from instrerank.integrations.rank_llm import read_requests
from instrerank.trec import columns, read_run

RUN = "7 Q0 30 1 2.0 bm25\n7 Q0 4 2 1.5 bm25\n7 Q0 5 3 1.5 bm25\n08 Q0 4 1 0.5 bm25\n"
FIELDS = [
    "actor.team=moonlight",
    "implementation.source.repository=https://example.org/moon",
    "data.test collection.name=tides",
    "method.description=BM25, then words",
]


@pytest.fixture(autouse=True, params=["read by lines", "read as columns"])
def folder(tmp_path, monkeypatch, request):
    if request.param == "read as columns":
        monkeypatch.setattr(columns, "LARGE", 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text(RUN)
    (tmp_path / "topics.tsv").write_text("7\tmoon\twithout sun\n08\tsun\n")
    (tmp_path / "passages.tsv").write_text("30\tthe moon\n4\ttides\n5\tbread\n")
    return tmp_path


def export(to, *more, output="out"):
    return main(["export", "run.txt", "--to", to, "--output", output, *more])


def test_trec_has_the_canonical_order(folder):
    assert export("trec", "--runtag", "words-1", "--hits", "2", "--topics", "topics.tsv") == 0
    assert (folder / "out").read_text() == ("7 Q0 30 1 2 words-1\n7 Q0 5 2 1.5 words-1\n08 Q0 4 1 0.5 words-1\n")


def test_ties_broken_by_the_least_step(folder):
    assert export("trec", "--break-ties") == 0
    scores = [score for _, score in read_run(folder / "out").rankings["7"]]
    assert scores == [2.0, 1.5, 1.5 - 2**-23]


def test_msmarco(folder):
    assert export("msmarco") == 0
    assert (folder / "out").read_text() == "7\t30\t1\n7\t5\t2\n7\t4\t3\n08\t4\t1\n"


def test_beir(folder):
    assert export("beir") == 0
    assert json.loads((folder / "out").read_text()) == {"7": {"30": 2.0, "5": 1.5, "4": 1.5}, "08": {"4": 0.5}}


def test_mteb(folder):
    assert export("mteb", "--mteb.split", "dev") == 0
    predictions = json.loads((folder / "out").read_text())
    assert predictions["mteb_model_meta"] == {"model_name": "bm25", "revision": None}
    assert list(predictions["default"]["dev"]["7"]) == ["30", "5", "4"]


def test_rank_llm(folder):
    assert export("rank_llm", "--topics", "topics.tsv", "--corpus", "passages.tsv", output="out.jsonl") == 0
    topics, run, texts = read_requests(folder / "out.jsonl")
    assert topics[0].instruction == "without sun"
    assert run.rankings == read_run(folder / "run.txt").rankings
    assert texts == {"30": "the moon", "4": "tides", "5": "bread"}


def test_rank_llm_wants_topics_and_passages(capsys):
    assert export("rank_llm", "--topics", "topics.tsv") == 2
    assert "--to rank_llm needs texts: give" in capsys.readouterr().err


def test_tira(folder):
    (folder / "run.txt.yaml").write_text("tag: bm25\nmethod: {automatic: true}\nplatform: {software: {}}\n")
    assert export("tira", "--runtag", "words", "--metadata", *FIELDS) == 0
    metadata = yaml.safe_load((folder / "out" / "ir-metadata.yml").read_text())
    assert metadata == {
        "tag": "words",
        "method": {"automatic": True, "name": "words", "description": "BM25, then words"},
        "platform": {"software": {}},
        "actor": {"team": "moonlight"},
        "implementation": {"source": {"repository": "https://example.org/moon"}},
        "data": {"test collection": {"name": "tides"}},
    }
    assert read_run(folder / "out" / "run.txt").tag == "words"


def test_tira_wants_a_folder(folder, capsys):
    (folder / "run.txt.yaml").write_text("tag: bm25\n")
    assert export("tira", "--metadata", *FIELDS, output="-") == 2
    assert "--to tira writes a folder" in capsys.readouterr().err
    assert not (folder / "-").exists()


@pytest.mark.parametrize(
    ("sidecar", "fields", "complaint"),
    [
        (None, [], "run.txt.yaml does not exist: search and rerank write one"),
        ("tag: t", [], "TIRA requires actor.team, implementation.source.repository, data.test collection.name"),
        ("tag: t", ["actor.team"], "--metadata takes FIELD=VALUE, got actor.team"),
        ("{: [", FIELDS, "run.txt.yaml is not valid YAML: while parsing a flow node"),
        ("- a", FIELDS, "run.txt.yaml is not a sidecar"),
        ("method: [a]", FIELDS, "method.name: method is not a section of the sidecar"),
    ],
)
def test_tira_says_what_it_lacks(folder, capsys, sidecar, fields, complaint):
    if sidecar:
        (folder / "run.txt.yaml").write_text(sidecar)
    assert export("tira", "--metadata", *fields) == 2 if fields else export("tira") == 2
    assert complaint in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_every_violation_with_its_line_and_nothing_written(folder, capsys):
    (folder / "run.txt").write_text(RUN + "9 Q0 x 1 1 bm25\n9 Q0 y 2 1 bm25\n" + "7 Q0 30 4 1 bm25\n")
    (folder / "topics.tsv").write_text("7\tmoon\n08\tsun\n1\tx\n")
    assert export("msmarco", "--topics", "topics.tsv") == 2
    assert capsys.readouterr().err.splitlines() == [
        "instrerank export: run.txt: no row for 1 topic: 1",
        "run.txt:5: docid x: expected a number",
        "run.txt:5: unknown qid 9: not in the topics",
        "run.txt:6: docid y: expected a number",
        "run.txt:7: duplicate docid 30 for topic 7, first on line 1",
    ]
    assert not (folder / "out").exists()


@pytest.mark.parametrize("to", ["trec", "beir", "mteb"])
def test_every_topic_must_have_a_row_whatever_the_format(folder, capsys, to):
    (folder / "topics.tsv").write_text("7\tmoon\n08\tsun\n3\tx\n1\ty\n")
    assert export(to, "--topics", "topics.tsv") == 2
    assert "run.txt: no row for 2 topics: 3, 1" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_an_input_and_another_run_are_never_replaced_in_silence(folder, capsys):
    assert (
        export(
            "trec",
            "--runtag",
            "other",
            output="run.txt",
        )
        == 2
    )
    assert export("trec", "--runtag", "other", "--overwrite", output="run.txt") == 2
    assert "is also the input" in capsys.readouterr().err
    assert (folder / "run.txt").read_text() == RUN
    assert export("trec") == export("trec") == 0
    assert export("trec", "--hits", "1") == 2
    assert "out exists with other content" in capsys.readouterr().err
    assert export("trec", "--hits", "1", "--overwrite") == 0
    assert len((folder / "out").read_text().splitlines()) == 2


def test_the_rules_hold_for_what_is_written_not_for_what_is_cut(folder, capsys):
    (folder / "run.txt").write_text(RUN.replace("7 Q0 5", "7 Q0 x").replace("bm25", "a,b"))
    assert export("trec") == 2
    assert "run tag a,b: expected 1 to 20" in capsys.readouterr().err
    assert export("trec", "--runtag", "fine") == 0
    assert export("msmarco", "--hits", "1", "--overwrite") == 0


def test_a_preset_for_other_columns(capsys):
    assert export("trec", "--preset", "msmarco-passage") == 2
    assert "msmarco-passage requires other columns than" in capsys.readouterr().err
