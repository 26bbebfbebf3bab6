"""Standard streams, --quiet and --verbose, colours, completion, dry runs: how every verb behaves."""

import errno
import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from instrerank import files
from instrerank.cli import VERBS, build_parser, main, messages
from instrerank.collections import open_passages
from instrerank.errors import InputError
from instrerank.trec import read_run

RUN = "1 Q0 a 1 2.0 bm25\n1 Q0 b 2 1.0 bm25\n"
QRELS = "1 0 a 1\n"
RERANK = ("rerank", "--run", "run.txt", "--topics", "topics.tsv", "--corpus", "passages.jsonl", "--encoder", "minilm")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text(RUN)
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "topics.tsv").write_text("1\tbread\n")
    (tmp_path / "passages.jsonl").write_text('{"id": "a", "contents": "the moon"}\n{"id": "b", "contents": "bread"}\n')
    return tmp_path


@pytest.fixture
def standard_input(monkeypatch):
    def give(text):
        files.reading._standard_input.cache_clear()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    yield give
    files.reading._standard_input.cache_clear()


def test_a_dash_is_standard_input(folder, standard_input, capsys):
    standard_input(RUN)
    assert main(["evaluate", "--qrels", "qrels.txt", "-m", "map", "--format", "csv", "-"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "measure,topic,bm25\nmap,all,1.0000\n"
    assert captured.err == "-: answered 1 of 1 judged topics\n"
    standard_input("1 Q0 a 1 x bm25\n")
    assert main(["check", "-"]) == 2
    assert "-:1: score 'x' is not a number" in capsys.readouterr().out
    standard_input('{"id": "a", "contents": "the moon"}\n')
    assert open_passages("-").lookup(["a"]) == {"a": "the moon"}


def test_a_dash_is_standard_output_whole_and_without_sidecar(folder, standard_input, capsys):
    standard_input(RUN)
    command = [argument if argument != "run.txt" else "-" for argument in RERANK]
    assert main([*command, "--output", "-"]) == 0
    captured = capsys.readouterr()
    assert [line.split()[:4] for line in captured.out.splitlines()] == [["1", "Q0", "b", "1"], ["1", "Q0", "a", "2"]]
    assert "no sidecar written: the run went to standard output\n" in captured.err
    assert sorted(path.name for path in folder.iterdir()) == ["passages.jsonl", "qrels.txt", "run.txt", "topics.tsv"]
    with pytest.raises(InputError), files.whole_file("-") as file:
        file.write("half a run")
        raise InputError("something")
    assert capsys.readouterr().out == ""


def test_a_full_disk_leaves_the_file_that_was_there(folder):
    with pytest.raises(InputError, match="No space left on device"), files.whole_file("run.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (folder / "run.txt").read_text() == RUN
    assert not list(folder.glob(".*"))


def test_quiet_and_verbose(folder, capsys):
    assert main([*RERANK, "--output", "quiet.txt", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*RERANK, "--output", "verbose.txt", "--verbose"]) == 0
    printed = capsys.readouterr().err
    assert "Encoder('minilm': float32 on cpu, 384 dimensions): {" in printed
    assert printed.endswith("verbose.txt: 1 topic, 2 distinct passages\n")
    (folder / "bad.txt").write_text("1 Q0 a 1 x bm25\n")
    for flags, traceback in (([], False), (["--quiet"], False), (["--verbose"], True)):
        assert main(["evaluate", "--qrels", "qrels.txt", "bad.txt", *flags]) == 2
        printed = capsys.readouterr().err
        assert printed.endswith("instrerank evaluate: bad.txt:1: score 'x' is not a number\n")
        assert ("Traceback" in printed) is traceback


def test_warnings_are_messages_in_the_words_of_flags(folder, capsys):
    assert main([*RERANK, "--output", "warned.txt", "--instruction", "Only the moon.", "--quiet"]) == 0
    printed = capsys.readouterr().err
    assert printed.startswith("minilm has no place for instructions in its prompts: each comes after its query")
    assert printed.endswith("; --query-template puts it elsewhere\n")
    assert len(printed.splitlines()) == 1


def test_a_missing_topic_is_reported_even_when_quiet(folder, capsys):
    (folder / "qrels.txt").write_text(QRELS + "2 0 a 1\n")
    assert main(["evaluate", "--qrels", "qrels.txt", "--quiet", "run.txt"]) == 0
    assert "answered 1 of 2 judged topics" in capsys.readouterr().err


def test_no_handler_stays_behind(folder):
    assert main(["evaluate", "--qrels", "qrels.txt", "run.txt"]) == 0
    assert not messages.log.handlers
    assert messages.log.propagate


@pytest.mark.parametrize(
    ("terminal", "environment", "wanted"),
    [(True, "", "\033[31mFAIL\033[0m"), (False, "", "FAIL"), (True, "1", "FAIL")],
)
def test_colour_is_for_terminals_only(terminal, environment, wanted, monkeypatch):
    monkeypatch.setenv("NO_COLOR", environment)
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    assert messages.coloured("FAIL", "red", stream) == wanted


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_and_message_flags(verb):
    (subparsers,) = (action for action in build_parser(verb)._actions if action.dest == "verb")
    printed = subparsers.choices[verb].format_help()
    assert "examples:\n  instrerank " + verb in printed
    assert "--quiet" in printed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_and_flags(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in (*VERBS, "max-passage-stride", "pointwise-llm"))


def test_bash_completes(tmp_path, capsys):
    main(["completion", "bash"])
    (tmp_path / "instrerank").write_text(capsys.readouterr().out)
    script = """
source "$1"
COMP_WORDS=(instrerank rerank --fusion ""); COMP_CWORD=3
$(complete -p instrerank | sed 's/.*-F \\([^ ]*\\).*/\\1/') instrerank "" --fusion
echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script, "bash", tmp_path / "instrerank"], capture_output=True, text=True)
    assert done.stdout == "none interpolate rrf\n", done.stderr


def test_a_dry_run_of_rerank_says_what_would_be_encoded_and_writes_no_run(folder, capsys):
    flags = ["--output", "results/new.txt", "--store", "store", "--instruction", "not about the moon"]
    assert main([*RERANK, *flags, "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "1 topic, 1 of them with an instruction; 2 candidates to rerank\n"
        "minilm in float32 on cpu\n"
        "2 distinct passages, 0 of them stored in store\n"
        "to encode: 2 passages, 1 query\n"
        "to write: results/new.txt\n"
    )
    assert not (folder / "results").exists()
    assert main([*RERANK, *flags]) == 0
    assert len(read_run("results/new.txt").rankings["1"]) == 2
    assert main([*RERANK, *flags, "--dry-run"]) == 0
    assert "2 of them stored in store\nto encode: 0 passages, 1 query\n" in capsys.readouterr().out


def test_doctor_as_json(capsys):
    assert main(["doctor", "--json"]) == 0
    parts = {row["part"]: row["here"] for row in json.loads(capsys.readouterr().out)}
    assert {"java", "torch", "pyserini"} <= set(parts)


def test_nobody_reads_the_output_any_more(folder):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "instrerank", "evaluate", "--qrels", "qrels.txt", "--quiet", "run.txt"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
