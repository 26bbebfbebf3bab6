"""The rules of each preset, in `check --preset`'s words and lines."""

from itertools import pairwise

import pytest

from instrerank.cli import main
from instrerank.trec import ScoredDoc
from instrerank.trec.order import trec_eval_order, without_ties
from instrerank.trec.problems import Problems
from instrerank.trec.runs import parse_run
from instrerank.trec.submission import PRESETS, check_submission


def violations(tmp_path, text, preset, qids=None):
    path = tmp_path / "run.txt"
    path.write_text(text)
    problems = Problems(path)
    check_submission(parse_run(path, problems), PRESETS[preset], problems, qids)
    return [f"{problem.line}: {problem.message}" for problem in problems.errors]


PASSAGE = "7 Q0 msmarco_passage_01_123 1 2.0 group-run_1\n"
ARTICLE = "2000 Q0 5f91a162-7a1e-4e5e-af0e-6b1bab774964_374756147 1 9.85 mlir-original\n"
SEGMENT = "2025-1 Q0 msmarco_v2.1_doc_16_287012450#4_490828734 1 2.0 group.run\n"


@pytest.mark.parametrize(
    ("preset", "sound"),
    [
        ("trec", "301 Q0 FT911-3 1 2.0 group.run-1\n"),
        ("trec-dl-passage", PASSAGE),
        ("trec-dl-document", PASSAGE.replace("passage", "doc")),
        ("trec-rag", SEGMENT),
        ("trec-rag-2026", "31 Q0 shard_00459_61697 1 12.4838 my-run\n31 Q0 shard_01012_88420 2 12.4838 my-run\n"),
        ("trec-ragtime", ARTICLE),
        ("msmarco-passage", "7\t123\t1\n7\t3\t1000\n"),
        ("msmarco-document", "7\tD123\t1\n"),
    ],
)
def test_a_sound_row_of_each_preset(tmp_path, preset, sound):
    assert violations(tmp_path, sound, preset) == []


@pytest.mark.parametrize(
    ("preset", "text", "found"),
    [
        ("trec", "1 0 a 1 2.0 t\n", "1: second column 0: expected Q0"),
        ("trec", "1\ta\t1\n", "1: expected the columns qid Q0 docid rank score tag"),
        ("msmarco-passage", "1 Q0 2 1 2.0 t\n", "1: expected the columns qid docid rank"),
        ("trec", "1 Q0 a 1 2.0 a,b\n", "1: run tag a,b: expected 1 to 20 letters, digits, '.', '_', '-'"),
        ("trec", f"1 Q0 a 1 2.0 {'t' * 21}\n", f"1: run tag {'t' * 21}: expected 1 to 20"),
        (
            "trec",
            "1 Q0 a 1 2.0 t\n1 Q0 b 2 1.0 u\n",
            "2: run tag u: expected the same tag on every row, the first is t",
        ),
        ("trec-dl-passage", PASSAGE.replace("run_1", "run.1"), "1: run tag group-run.1: expected 1 to 25 letters"),
        (
            "trec-dl-passage",
            PASSAGE.replace("_01", ""),
            "1: docid msmarco_passage_123: expected msmarco_passage_ followed",
        ),
        (
            "trec-rag",
            SEGMENT.split("#")[0] + " 1 2.0 t\n",
            "1: docid msmarco_v2.1_doc_16_287012450: expected a seg",
        ),
        ("trec", "1 Q0 a 1 2.0 t\n1 0 b 2 1.0 t\n", "2: second column 0: expected Q0"),
        (
            "trec-rag-2026",
            SEGMENT,
            f"1: docid {SEGMENT.split()[2]}: expected a ClimbMix document",
        ),
        ("trec-rag-2026", "1 Q0 shard_1_1 0 2 t\n", "1: rank 0: expected 1, since ranks count from 1 in file order"),
        (
            "trec-rag-2026",
            "1 Q0 shard_1_1 1 2 t\n1 Q0 shard_1_2 2 3 t\n",
            "2: score 3 is higher than 2 on the row before it",
        ),
        (
            "trec-ragtime",
            ARTICLE.replace("_374756147", ""),
            "1: docid 5f91a162-7a1e-4e5e-af0e-6b1bab774964: expected a",
        ),
        ("trec-ragtime", f"1 Q0 {ARTICLE.split()[2]} 1 2 {'t' * 26}\n", f"1: run tag {'t' * 26}: expected 1 to 25"),
        ("msmarco-passage", "1\t2\t1\n1\t3\t1\n", "2: duplicate rank 1 for topic 1, first on line 1"),
        ("msmarco-passage", "1\t2\t1001\n", "1: rank 1001: expected 1 to 1000"),
        ("msmarco-document", "1\tD2\t101\n", "1: rank 101: expected 1 to 100"),
        ("msmarco-document", "1\tD2\t-1\n", "1: rank -1: expected 1 to 100"),
        ("msmarco-passage", "x1\t2\t1\n", "1: qid x1: expected a number"),
        ("msmarco-passage", "1\t٣\t1\n", "1: docid ٣: expected a number"),
        ("msmarco-document", "1\t2\t1\n", "1: docid 2: expected D followed by a number"),
        ("trec", "1 Q0 a 1 1 t\n1 Q0 a 2 0 t\n", "2: duplicate docid a for topic 1, first on line 1"),
    ],
)
def test_a_row_that_breaks_a_rule(tmp_path, preset, text, found):
    assert any(line.startswith(found) for line in violations(tmp_path, text, preset))


@pytest.mark.parametrize("preset", PRESETS)
def test_depth(tmp_path, preset):
    depth = PRESETS[preset].documents
    name = {
        "trec-rag": "msmarco_v2.1_doc_01_1#1_{}",
        "trec-rag-2026": "shard_1_{}",
        "trec-ragtime": "5f91a162-7a1e-4e5e-af0e-6b1bab774964_{}",
        "msmarco-passage": "{}",
        "msmarco-document": "D{}",
    }.get(preset, f"msmarco_{'doc' if 'doc' in preset else 'passage'}_01_{{}}")
    row = f"7\t{name}\t{{}}\n" if PRESETS[preset].tag is None else f"7 Q0 {name} {{}} 1 t\n"
    rows = [row.format(rank, rank) for rank in range(1, depth + 2)]
    assert violations(tmp_path, "".join(rows[:depth]), preset) == []
    assert violations(tmp_path, "".join(rows), preset) == [f"{depth + 1}: topic 7 has more than {depth} documents"]


def test_topics(tmp_path):
    text = "1 Q0 a 1 1 t\n9 Q0 a 1 2 t\n9 Q0 b 1 1 t\n"
    assert violations(tmp_path, text, "trec", ["1", "2", "3"]) == [
        "2: unknown qid 9: not in the topics",
        "0: no row for 2 topics: 2, 3",
    ]


def test_check_preset_makes_missing_topics_errors(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text("1 Q0 a 1 2.0 a,b\n")
    (tmp_path / "topics.tsv").write_text("1\ttides\n2\tbread\n")
    assert main(["check", "run.txt", "topics.tsv"]) == 0
    capsys.readouterr()
    assert main(["check", "run.txt", "topics.tsv", "--preset", "trec"]) == 2
    assert capsys.readouterr().out.splitlines()[:2] == [
        "run.txt: no row for 1 qid of topics.tsv: 2",
        "run.txt:1: run tag a,b: expected 1 to 20 letters, digits, '.', '_', '-'",
    ]


def test_without_ties_keeps_the_order_and_the_scores_that_do_not_tie():
    ranking = [ScoredDoc("a", 0.85), ScoredDoc("b", 0.85), ScoredDoc("c", 0.85 - 5e-8), ScoredDoc("d", -3.0)]
    untied = without_ties(ranking)
    scores = [score for _, score in untied]
    assert [docid for docid, _ in untied] == [docid for docid, _ in trec_eval_order(ranking)] == list("bacd")
    assert all(first > second for first, second in pairwise(scores))
    assert (scores[0], scores[3]) == (trec_eval_order(ranking)[0].score, -3.0)
    assert scores[0] - scores[2] < 2e-7
    assert trec_eval_order(untied) == untied
