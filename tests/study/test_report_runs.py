"""The page that compares runs of any systems."""

from __future__ import annotations

import re

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.jobs.evaluate import compare
from instrerank.study.report import RunsPageSettings, write_runs_page

TOPICS = {"1": "green <b>tea</b>", "2": "black tea", "3": "white tea"}
QRELS = "1 0 good 1\n1 0 bad 0\n2 0 good 1\n3 0 good 1\n"
FIRST = {"1": ["bad", "good", "odd"], "2": ["good", "bad"], "3": ["bad", "good"]}
SECOND = {"1": ["good", "new", "bad"], "2": ["bad", "odd", "good"], "3": ["bad", "good"]}
MEASURES = ["ndcg_cut.10", "recip_rank"]


def run_file(path, rankings, tag):
    lines = [
        f"{qid} Q0 {docid} {rank} {10 - rank} {tag}\n"
        for qid, docids in rankings.items()
        for rank, docid in enumerate(docids, start=1)
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def files(tmp_path):
    (tmp_path / "topics.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in TOPICS.items()))
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "passages.tsv").write_text("good\ta <i>good</i> tea\nbad\ta bad tea\nodd\tan odd tea\n")
    run_file(tmp_path / "a.txt", FIRST, "one")
    run_file(tmp_path / "b.txt", SECOND, "two")
    return tmp_path


def page(folder, *runs, **more):
    given = {"topics": folder / "topics.tsv", "qrels": folder / "qrels.txt", "measures": MEASURES}
    settings = RunsPageSettings(**{**given, "output": folder / "page.html", **more})
    written = write_runs_page([folder / run for run in runs], settings)
    return written, written.path.read_text(encoding="utf-8")


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text.split("</style>")[1]))


def test_it_has_the_rows_of_evaluate(files):
    written, text = page(files, "a.txt", "b.txt")
    assert written.rows == compare([files / "b.txt"], files / "qrels.txt", files / "a.txt", MEASURES)
    row = written.rows[0]
    assert f"nDCG@10: no significant difference between two and one: {row.baseline:.4f} → {row.mean:.4f}" in words(
        text
    )


def test_what_rose_what_fell_what_is_relevant(files):
    _, text = page(files, "a.txt", "b.txt", passages=files / "passages.tsv")
    # topic 2 falls from 1 to 0.5, topic 1 rises from 0.63 to 1, topic 3 is the same
    assert re.findall(r"<summary>topic (\d)", text) == ["2", "1", "3"]
    found = words(text)
    assert "topic 2 (black tea): one → two, nDCG@10 1.0000 → 0.5000" in found
    assert "▼ to 3 · relevant (grade 1) · good a &lt;i&gt;good&lt;/i&gt; tea" in found
    assert "▲ new · unjudged · new text missing" in found
    assert "▲ from 2 · relevant (grade 1)" in found
    assert "<b>tea" not in text
    # a page that takes nothing from elsewhere and runs nothing
    assert not re.search(r"<(script|link|img|iframe)|https?:(?!//www\.w3\.org)", text)


def test_topics_are_sorted_by_style_alone(files):
    _, text = page(files, "a.txt", "b.txt")
    keys = re.findall(r'<input type="radio" name="run1-order" value="(\w+)"', text)
    assert keys == ["change", "loss", "gain", "before", "topic"]
    places = dict(zip("213", re.findall(r'<details style="(.*?)"', text), strict=True))
    for key, order in (("change", "213"), ("loss", "231"), ("gain", "132"), ("before", "132"), ("topic", "123")):
        assert f'.sortable:has([value="{key}"]:checked) > details {{ order: var(--{key}); }}' in text
        assert [f"--{key}:{place};" in places[qid] for place, qid in enumerate(order)] == [True] * 3


def test_each_run_is_compared_with_the_first(files):
    run_file(files / "c.txt", {"1": ["good"], "2": ["good"]}, "two")
    written, text = page(files, "a.txt", "b.txt", "c.txt", examples=1)
    names = [str(files / name) for name in ("a.txt", "b.txt", "c.txt")]
    assert [row.run for row in written.rows] == names[1:] * 2
    assert f"{names[0]} → {names[2]}" in text
    assert "1 of 3 judged topics missing, which count as 0" in words(text)
    assert text.count("<summary>") == 2


def test_missing_texts_are_counted(files, caplog):
    written, text = page(files, "a.txt", "b.txt", passages=files / "passages.tsv")
    assert written.missing == 1
    assert "1 of the documents shown have no text" in words(text)
    assert "1 of 4 documents on the page have no text: new" in caplog.text
    assert "shows docids only" in words(page(files, "a.txt", "b.txt", overwrite=True)[1])


def test_bad_input(files):
    with pytest.raises(InputError, match=r"`runs` must be at least 2, got 1"):
        page(files, "a.txt")
    run_file(files / "other.txt", {"9": ["good"]}, "other")
    with pytest.raises(InputError, match=r"no topic in common"):
        page(files, "a.txt", "other.txt")
    for name, qid in (("left", "1"), ("right", "2")):
        run_file(files / f"{name}.txt", {qid: ["good"]}, name)
    with pytest.raises(InputError, match=r"no judged topic is answered by all runs \(topics of left: 1, right: 1\)"):
        page(files, "left.txt", "right.txt")
    (files / "foreign.txt").write_text("8 0 good 1\n")
    with pytest.raises(InputError, match=r"none of the 3 topics is judged"):
        page(files, "a.txt", "b.txt", qrels=files / "foreign.txt")
    with pytest.raises(InputError, match=r"`output` .*a\.txt is also the input `run 1`"):
        page(files, "a.txt", "b.txt", output=files / "a.txt", overwrite=True)
    (files / "page.html").write_text("mine")
    with pytest.raises(InputError, match=r"page\.html exists"):
        page(files, "a.txt", "b.txt")
    assert (files / "page.html").read_text() == "mine"


def test_the_verb(files, capsys):
    flags = ["--topics", files / "topics.tsv", "--qrels", files / "qrels.txt", "--corpus", files / "passages.tsv"]
    flags = [*map(str, flags), "-m", "recip_rank", "--output", str(files / "out.html")]
    assert main(["report", "--runs", str(files / "a.txt"), str(files / "b.txt"), *flags]) == 0
    assert capsys.readouterr().out == f"{files / 'out.html'}\n"
    assert "RR: no significant difference" in words((files / "out.html").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either DIR, the folder of a study, or --runs"),
        (["folder", "--runs", "a", "b"], "give either DIR"),
        (["folder", "--qrels", "q"], "--qrels needs --runs"),
        (["--runs", "a", "b", "--topics", "t"], "--runs needs --qrels and --output"),
    ],
)
def test_flags_that_do_not_go_together(arguments, message, capsys):
    assert main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err
