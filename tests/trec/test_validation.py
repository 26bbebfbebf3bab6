import pytest

from instrerank.errors import InputError
from instrerank.trec import problems, read_topics
from instrerank.trec.submission import PRESETS
from instrerank.trec.validation import check_files

RUN = "1 Q0 a 1 2.0 t\n1 Q0 b 2 1.0 t\n"


def found(tmp_path, **files):
    """Return, file by file, the problems that `check` would print."""
    paths = []
    for name, text in files.items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    return [
        [file.problems.describe(problem).removeprefix(f"{tmp_path}/") for problem in file.problems.found]
        for file in check_files(paths)
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (RUN, "run"),
        ("1\ta\t1\n", "run"),
        ("1 0 a 2\n", "qrels"),
        ("1\thow do tides form\n", "topics"),
        ("4\twhat is 5 6\n", "topics"),
        ('{"qid": "1", "text": "a"}\n', "topics"),
        ('[{"qid": "1", "query": "a"}]\n', "topics"),
        ("<topics><topic number='1'><query>a</query></topic></topics>\n", "topics"),
        ('{"query-id": "1", "instruction": "a"}\n', "instructions"),
        ('{"_id": "1", "title": "", "text": "a"}\n', "passages"),
        ('{"pid": "1", "passage": "a", "docid": "b"}\n', "passages"),
        ("query-id\tcorpus-id\tscore\n1\td\t1\n", "qrels"),
        ("1 1 d 0\n", "qrels"),
        ("1 0 d 1 2.5 tag\n", "run"),
    ],
)
def test_the_kind_is_told_by_the_first_line(tmp_path, text, kind):
    (tmp_path / "f").write_text(text)
    assert check_files([tmp_path / "f"])[0].kind == kind


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            '{"id": "1", "contents": "a"}\n',
            "1: an object with id, contents: could be topics or passages; specify the kind",
        ),
        (
            '{"a": "1"}\n',
            "f:1: an object with a: unknown kind of file; specify the kind of the file: run, qrels, topics",
        ),
        ("1 how do tides form\n", "f:1: 5 columns without tabs: unknown kind of file; specify the kind"),
        ("q1\td1\t0.3\n", "f:1: three columns, the last a number: unknown kind of file; specify the kind"),
        ("[1, 2]\n", "f:1: 1 tab-separated"),
    ],
)
def test_what_could_be_several_things_is_asked_for(tmp_path, text, complaint):
    assert complaint in found(tmp_path, f=text)[0][0]


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("queries.jsonl", '{"_id": "1", "text": "a"}\n', "topics"),
        ("corpus.jsonl", '{"_id": "1", "text": "a"}\n', "passages"),
        ("instructions.tsv", "1\ta\n", "instructions"),
        ("passages.tsv", "1\ta\n", "passages"),
        ("passages.tsv", RUN, "run"),
    ],
)
def test_a_files_name_decides_what_its_content_leaves_open(tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    assert check_files([tmp_path / name])[0].kind == kind


def test_topics_that_find_themselves(tmp_path):
    (run,) = found(tmp_path, r="q1 Q0 q1 1 2 t\nq1 Q0 d 2 1 t\nq2 Q0 q1 1 1 t\n")
    assert run[0].startswith("r: warning: 1 of 2 topics rank a document whose docid is their own qid: q1; ")
    assert not found(tmp_path, r="q1 Q0 q1 1 2 t\nq2 Q0 d 1 1 t\nq3 Q0 d 1 1 t\n")[0]


def test_passages_are_checked(tmp_path):
    (tmp_path / "p").write_text("1\ta\n2\t \n1\tb\n")
    (file,) = check_files([tmp_path / "p"], "passages")
    assert file.summary == "3 passages"
    assert [(problem.line, problem.message, problem.warning) for problem in file.problems.found] == [
        (2, "docid 2 has an empty text", True),
        (3, "duplicate docid 1, first on line 1", False),
    ]


def test_a_file_of_nothing_but_errors_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(problems, "_MOST", 10)
    (file,) = found(tmp_path, f="1\ta\n" * 100)
    assert len(file) == 11
    assert file[-1].startswith("f: more than 10 errors; stopped reading. First error: ")
    assert found(tmp_path, g=RUN + "\n" * 100)[0][-1] == "g: warning: more than 10 warnings; the rest are not listed"
    with pytest.raises(
        InputError, match="more than 10 errors; .* First error: .*f:2: duplicate qid 1, first on line 1"
    ):
        read_topics(tmp_path / "f")


def test_sound_files_have_no_problem(tmp_path):
    assert found(tmp_path, run=RUN, qrels="1 0 a 1\n", topics="1\ttides\n") == [[], [], []]


def test_unknown_and_missing_qids(tmp_path):
    run, _, _ = found(tmp_path, run=RUN + "9 Q0 a 1 1 t\n", topics="1\ttides\n2\tbread\n", qrels="1 0 a 1\n")
    assert run == [
        f"run:3: unknown qid 9: not in {tmp_path}/topics",
        f"run: warning: no row for 1 qid of {tmp_path}/topics: 2",
        f"run:3: warning: unknown qid 9: not in {tmp_path}/qrels",
    ]


def test_nothing_in_common(tmp_path):
    assert "no topic in common" in found(tmp_path, run=RUN, topics="7\ttides\n")[0][0]


def test_ranks_against_scores_and_mixed_tags_are_warnings(tmp_path):
    (run,) = found(tmp_path, run="1 Q0 a 1 1.0 t\n1 Q0 b 2 1.0 u\n")
    assert run == [
        "run:2: warning: tag 'u' differs from 't' above",
        "run:1: warning: topic 1: the rank column differs from trec_eval's order (score, then docid, descending)",
    ]


def test_topics_without_relevant_documents(tmp_path):
    assert found(tmp_path, qrels="1 0 a 0\n") == [["qrels:1: warning: topic 1 has no relevant document"]]


def test_unreadable_files_are_a_problem_among_others(tmp_path):
    (tmp_path / "latin").write_bytes("1\tcafé\n".encode("latin-1"))
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "run").write_text(RUN)
    *checked, run = check_files([tmp_path / name for name in ("latin", "none", "empty", "run")])
    assert [(file.kind, file.summary) for file in checked] == [(None, "unreadable")] * 2 + [(None, "empty")]
    for file, complaint in zip(checked, ("not UTF-8", "cannot read", "empty file"), strict=True):
        assert complaint in file.problems.found[0].message
    assert run.problems.found == []


def test_a_preset_wants_a_run(tmp_path):
    (tmp_path / "topics").write_text("1\ttides\n")
    with pytest.raises(InputError, match="`preset` applies to runs"):
        check_files([tmp_path / "topics"], preset=PRESETS["trec"])
