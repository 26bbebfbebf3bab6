"""Large runs as columns: what they read is what the reader of lines reads, or left to it."""

import gzip
import random

import pytest

from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
from instrerank.trec import columns, read_run
from instrerank.trec.columns import ColumnRankings, read_run_columns
from instrerank.trec.validation import check_files

PLAIN = ["2 Q0 b 1 3.5 bm25", "2 Q0 é 2 1e-3 bm25", "10 Q0 a 1 7 bm25", "2 Q0 c 3 .5 bm25", "10 Q0 007 2 7 bm25"]


@pytest.fixture(params=["run.txt", "run.txt.gz"])
def write(tmp_path, request, monkeypatch):
    monkeypatch.setattr(columns, "LARGE", 0)
    path = tmp_path / request.param

    def written(text):
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return written


def by_lines(path, monkeypatch, read=read_run):
    with monkeypatch.context() as patch:
        patch.setattr(columns, "LARGE", 1 << 60)
        return read(path)


@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_plain_form_is_read_as_columns(write, monkeypatch, separator, end):
    path = write("\n".join(PLAIN).replace(" ", separator) + end)
    run, expected = read_run(path), by_lines(path, monkeypatch)
    assert isinstance(run.rankings, ColumnRankings)
    assert run == expected
    assert list(run.rankings) == list(expected.rankings) == ["2", "10"]
    assert run.sizes == {"2": 3, "10": 2}
    assert run.rankings.first_lines == {"2": 1, "10": 3}
    assert repr(run) == "Run('bm25': 2 topics, 5 documents)"
    assert [docid for docid, _ in run.rankings["10"]] == ["a", "007"]  # tied


def test_three_columns(write, monkeypatch):
    path = write("1 a 1\n1 b 2\n2 a 3\n")
    assert isinstance(read_run(path).rankings, ColumnRankings)
    assert read_run(path) == by_lines(path, monkeypatch)


UNUSUAL = [
    *("", "\n", "1 Q0 a 1 2.0\n", "1 Q0 a 1 2.0 t\n\n1 Q0 b 2 1 t\n", "1  Q0 a 1 2.0 t\n", " 1 Q0 a 1 2.0 t\n"),
    *(
        "1 Q0 a 1 2.0 t\r\n",
        "\ufeff1 Q0 a 1 2.0 t\n",
        "1 Q0 a\tb 1 2.0 t\n",
        "1 Q0 a 1 2.0 t \n",
        "1 Q0 a 0x1 2.0 t\n",
    ),
    *("1 Q0 a 1_0 2.0 t\n", "1 Q0 a 1 2_0.0 t\n", "1 Q0 a 1 nan t\n", "1 Q0 a 1 1e39 t\n", "1 Q0 a 1.0 2.0 t\n"),
    *("1 Q0 a 1 2.0 t\n1 Q0 a 2 1.0 t\n", "1 Q0 a 1 2.0 t\n1 Q0 b 2 1.0 u\n", "1 Q0 a 1 2.0 t\n1 b 2\n", "1 a 0\n"),
    *("1 Q0 a\0b 1 2.0 t\n", "1 Q0 a\x1cb 1 2.0 t\n", '1 Q0 "a 1 2.0 t\n1 Q0 b" 2 1.0 t\n', "1 Q0 a 1 0x1p3 t\n"),
    *(
        "1 Q0 a 1 +2.5 t\n",
        "1 Q0 a +1 2.5E0 t\n",
        "1 Q0 a -1 -2. t\n",
        "1 Q0 NA 1 2 null\n",
        "1 Q0 a 1  t\n",
        "１ Q0 a １ 2 t\n",
    ),
    *("1 Q0 a 99999999999999999999 2 t\n", "1 Q0 a 1 infinity t\n", "1 Q0 a\u00a0b 1 2 t\n", "1 Q0 a\x85b 1 2 t\n"),
    *(b"1 Q0 a\xff 1 2.0 t\n", b"1 Q0 a\xed\xa0\x80 1 2.0 t\n"),
]


@pytest.mark.parametrize("text", UNUSUAL)
@pytest.mark.parametrize("keep", [False, True])
def test_other_forms_are_left_to_the_reader_of_lines(write, monkeypatch, text, keep):
    path = write(text)

    def outcome(path):
        try:
            return read_run(path, keep_first_duplicate=keep)
        except InputError as error:
            return str(error)

    assert outcome(path) == by_lines(path, monkeypatch, outcome)


@pytest.mark.parametrize("seed", range(30))
def test_random_runs(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.setattr(columns, "LARGE", 0)
    monkeypatch.setattr(columns, "_BLOCK", 200)  # topics go on in later blocks
    rows = [(qid, docid) for qid in range(rng.randint(1, 9)) for docid in range(rng.randint(1, 20))]
    if seed % 2:
        rng.shuffle(rows)
    scores = [f"{rng.choice([rng.random(), rng.randint(0, 3)])!r}" for _ in rows]
    lines = [
        f"q{qid} Q0 d{docid} {rng.randint(0, 9)} {score} t\n" for (qid, docid), score in zip(rows, scores, strict=True)
    ]
    path = tmp_path / "run.txt"
    path.write_text("".join(lines))
    run, expected = read_run(path), by_lines(path, monkeypatch)
    assert isinstance(run.rankings, ColumnRankings)
    assert list(run.rankings.items()) == list(expected.rankings.items())
    qrels = {f"q{qid}": {f"d{docid}": rng.randint(0, 2) for docid in range(9)} for qid in range(9)}
    measures = ["map", "ndcg_cut.3", "nDCG@3", "Judged@5", "ndcg.1=2,2=3", "ndcg"]
    for depth in (None, 2):
        assert evaluate(run, qrels, measures, max_docs=depth) == evaluate(expected, qrels, measures, max_docs=depth)
    checked, by_line = check_files([path]), by_lines(path, monkeypatch, lambda path: check_files([path]))
    assert [(each.summary, each.first_lines, each.problems.found) for each in checked] == [
        (each.summary, each.first_lines, each.problems.found) for each in by_line
    ]


def test_small_files_are_read_by_lines(tmp_path):
    (tmp_path / "run.txt").write_text("\n".join(PLAIN))
    assert read_run_columns(tmp_path / "run.txt") is None
