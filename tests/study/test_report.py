"""The page of a study, from invented tables."""

from __future__ import annotations

import csv
import itertools
import json
import re
import sys
from html.parser import HTMLParser

import pytest
import yaml
from invented import write_study

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.study.report import write_report
from instrerank.study.report.labels import SHADES, shade


class Page(HTMLParser):
    """What a test asks of a page: its tags, the text inside each `data`, and everything that is to be read."""

    VOID = ("meta", "link", "br", "use", "path")

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.numbers, self.read, self.open = text, [], [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "data":
            self.numbers.append([dict(attributes), ""])

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "data":
            self.numbers[-1][1] += data
        if not {"style", "title"} & set(self.open):
            self.read.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.read))


def page_of(folder):
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(study):
    return page_of(study)


def test_every_number_is_that_of_its_cell_in_the_csv(study, page):
    tables = {}
    for path in study.glob("tables/*/*.csv"):
        with path.open(newline="") as file:
            tables[path.relative_to(study).as_posix()] = list(csv.DictReader(file))
    assert len(page.numbers) > 1000
    seen = set()
    for attributes, text in page.numbers:
        name, line, column = attributes["data-cell"].split(":")
        value = tables[name][int(line) - 2][column]
        assert attributes["value"] == value
        text = text.replace("−", "-")
        places = len(re.match(r"[^.e%]*\.?(\d*)", text)[1])
        scale = 100 if text.endswith("%") else 1
        kind = "e" if "e" in text else "f"
        assert float(text.rstrip("%")) == float(f"{float(value) * scale:.{places}{kind}}")
        seen.add((name.split("/")[2], column))
    assert {name for name, _ in seen} == {f"{name}.csv" for name in ("cells", "topics", *FULL)}
    # no column of theirs is left out
    for name, columns in FULL.items():
        assert columns <= {column for table, column in seen if table == f"{name}.csv"}


FULL = {
    "robustness": {"clean", "perturbed", "difference", "relative", "low", "high", "p", "corrected_p", "effect_size"}
    | {"wins", "ties", "losses", "worst_case", "sd_over_seeds", "success_rate", "overlap_10", "rbo", "tau"},
    "families": {"clean", "perturbed", "difference", "relative", "low", "high", "worst_case"},
    "hypotheses": {"topics", "drop_a", "drop_b", "difference", "low", "high", "p", "corrected_p", "effect_size"},
    "rank_flips": {"probability"},
    "interactions": {"topics", "drop", "added", "difference", "low", "high", "p", "corrected_p", "effect_size"},
    "probes": {"topics", "pairs", "skipped", "ties", "win_rate", "low", "high", "p", "corrected_p"},
    "instructions": {"topics", "mean", "none", "difference", "low", "high", "p", "corrected_p"},
}


def test_text_of_queries_is_escaped_and_its_edits_are_marked(page):
    assert not page.all("script")
    assert not page.all("b")
    assert "<script>alert('x')</script> brew & serve" in page.words
    assert "<b>not bold</b>" in page.words
    cells = set(re.findall(r'<td class="text">(.*?)</td>', page.text))
    assert cells == {
        "<del>ho</del><ins>oh</ins>w<ins>[U+200B]</ins> to &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; "
        "brew &amp; serve <del>tea</del>"
    }


def test_the_page_needs_nothing_from_elsewhere(page):
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object")
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)


def test_it_can_be_read_aloud(page):
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in attributes for attributes in page.all("th"))
    plots = page.all("svg")
    assert plots
    assert all(plot["role"] == "img" and plot["aria-labelledby"] for plot in plots)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    wanted = [value for _, attributes in page.tags for value in attributes.get("aria-labelledby", "").split()]
    assert set(wanted) <= set(identifiers)


def test_the_modes_are_kept_apart(page):
    text = page.text
    fixed, retrieve = (text.index(f'<h2 id="{mode}">') for mode in ("fixed", "retrieve"))
    provenance = text.index('<h2 id="provenance">')
    assert "tables/retrieve/" not in text[fixed : text.index("</section>", fixed)]
    assert 'data-cell="tables/fixed/' not in text[retrieve:provenance]


def test_many_topics_are_points_not_lines(tmp_path):
    few, many = (
        (page_of(write_study(tmp_path / str(topics), modes=("fixed",), topics=topics, seeds=(1,))), topics)
        for topics in (6, 70)
    )
    counts = [
        len(re.findall("<use ", page.text[page.text.index('id="fixed-topics-title"') :].split("</svg>")[0]))
        for page, _ in (few, many)
    ]
    assert counts[1] > counts[0] + 3 * 60


def test_a_loss_is_never_white():
    assert [shade(relative) for relative in (None, 0.0, 0.2, -0.001, -0.0499, -0.06, -0.9)] == [0, 0, 0, 1, 1, 2, 9]
    assert SHADES[0] == "#ffffff" and len(set(SHADES)) == 10


def test_setup_notes_and_instructions_are_shown(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",))
    configuration = {
        **{"topics": "tea.tsv", "qrels": "tea.qrels", "corpus": "tea.jsonl", "run": "bm25.txt", "hits": 50},
        "encoders": [{"name": "m", "encoder": "minilm", "load": {"dtype": "int8"}, "fusion": "rrf"}],
        **{"conditions": ["none", "own"], "perturbations": ["typo-swap"], "seeds": [1, 2], "relevance_level": 2},
    }
    record = {"configuration": configuration, "notes": ["2 judged topics <b>absent</b>"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(record))
    for condition, texts in (("own", ("be brief", "be kind")), ("instruction-generic", ("help me", "help me"))):
        lines = [json.dumps({"qid": str(qid), "instruction": text}) + "\n" for qid, text in enumerate(texts)]
        (folder / "topics" / f"instructions.{condition}.jsonl").write_text("".join(lines))
    page = page_of(folder)
    assert "6 judged topics of tea.tsv, qrels tea.qrels" in page.words
    assert "m (encoder minilm, dtype int8, fusion rrf)" in page.words
    assert "typo-swap; seeds 1, 2" in page.words
    assert "2 judged topics <b>absent</b>" in page.words
    assert "instruction-generic, every topic: help me" in page.words
    assert "be brief" in page.words and "be kind" in page.words


def test_a_broken_record_is_refused(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",))
    (folder / "study.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"study\.yaml is not valid YAML"):
        write_report(folder)


def test_same_tables_same_bytes(tmp_path):
    written = []
    for name in ("one", "two"):
        folder = write_study(tmp_path / name, modes=("fixed",))
        write_report(folder)
        files = [folder / "report.html", *sorted(folder.glob("plots/*/*"))]
        written.append([path.read_bytes() for path in files])
    assert len(written[0]) == 1 + 2 * 5
    assert written[0] == written[1]


def test_measures_in_full_are_ndcg_and_the_deepest_recall_that_moves(page):
    assert "Relative change of nDCG@10" in page.words
    assert "Relative change of R@50" in page.words
    assert "Relative change of R@10 " not in page.words


def test_what_may_change_the_meaning_is_no_worst_query(tmp_path):
    apart = [
        ("word-deletion", "deletion", "invariance", False),
        ("instruction-long", "instruction", "invariance", False),
    ]
    perturbations = [*apart, ("typo-mixed-edits-2", "typo", "invariance", True), ("mine", "own", "invariance", True)]
    page = page_of(write_study(tmp_path, perturbations=perturbations, modes=("fixed",)))
    assert "word-deletion †" in page.words and "instruction-long †" in page.words
    assert "typo-mixed-edits-2 †" not in page.words and "mine †" not in page.words
    shown = re.findall(r'<td class="text">.*?</td>\s*<td>(.*?)</td>', page.text)
    assert set(shown) == {"typo-mixed-edits-2", "mine"}
    assert re.search(r"Topics by nDCG@10 under (typo-mixed-edits-2|mine)", page.words)


def test_a_perturbation_that_a_system_did_not_meet_is_said(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",))
    path = folder / "tables" / "fixed" / "robustness.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("tuned,own,word-swap")))
    assert page_of(folder).words.count("not run") == 2


def test_failed_runs_are_named(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",))
    columns = "encoder,instructions,perturbation,seed,reason"
    (folder / "tables" / "fixed" / "failed.csv").write_text(
        f"{columns}\nhuge,own,typo-swap,1,out of <memory>\nhuge,own,typo-swap,2,out of <memory>\n"
    )
    assert "huge + own (2): out of <memory>" in page_of(folder).words


def test_the_first_stage_alone_in_one_mode(tmp_path):
    page = page_of(write_study(tmp_path, systems=[("bm25", "none")], modes=("retrieve",)))
    assert "Fixed candidates" not in page.words
    assert "bm25 goes from" in page.words
    assert "Only one system was run on them: the study does not show which system is more robust." in page.words


def test_a_study_without_perturbed_queries(tmp_path):
    page = page_of(write_study(tmp_path, perturbations=(), modes=("fixed",)))
    assert "No meaning-preserving perturbation of the query was run" in page.words
    assert "Means with clean queries" in page.words
    assert re.findall(r"<title id=[^>]*>([^<]*)<", page.text) == ["Effect of instructions"]


def test_empty_fields_are_dashes_and_no_verdict(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",), topics=1)
    for name in FULL:
        path = folder / "tables" / "fixed" / f"{name}.csv"
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        unknown = {"low", "high", "p", "corrected_p", "effect_size", "relative", "sd_over_seeds", "probability"}
        with path.open("w", newline="") as file:
            emptied = [["" if c in unknown else v for c, v in zip(header, row, strict=True)] for row in rows]
            csv.writer(file, lineterminator="\n").writerows([header, *emptied])
    page = page_of(folder)
    assert "minilm and minilm + own cannot be tested against each other" in page.words
    assert "significant)" not in page.words
    assert not re.search(r"\bnan\b|None", page.words)
    assert '<td class="n">–</td>' in page.text


@pytest.mark.parametrize("name", ["topics", *FULL])
def test_a_missing_table_leaves_its_part_out(tmp_path, name):
    folder = write_study(tmp_path, modes=("fixed",))
    (folder / "tables" / "fixed" / f"{name}.csv").unlink()
    page = page_of(folder)
    assert f"tables/fixed/{name}.csv:" not in page.text


def test_a_query_set_that_is_gone_is_said(tmp_path):
    folder = write_study(tmp_path, modes=("fixed",))
    for path in folder.glob("topics/*.jsonl"):
        path.unlink()
    assert "not in topics/" in page_of(folder).words


def test_no_study_and_broken_tables(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a study" in capsys.readouterr().err
    folder = write_study(tmp_path, modes=("fixed",))
    path = folder / "tables" / "fixed" / "cells.csv"
    text = path.read_text()
    path.write_text(text.replace(",mean,", ",average,", 1))
    with pytest.raises(InputError, match="missing column mean"):
        write_report(folder)
    path.write_text(re.sub(r",0\.\d+,runs", ",much,runs", text, count=1))
    with pytest.raises(InputError, match="line 2: mean must be a number, got 'much'"):
        write_report(folder)
    path.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(InputError, match="is empty"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_without_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["report", str(write_study(tmp_path, modes=("fixed",)))]) == 3
    assert "pip install 'instrerank[study]'" in capsys.readouterr().err


def test_the_verb(tmp_path, capsys):
    folder = write_study(tmp_path / "study", modes=("fixed",))
    assert main(["report", str(folder), "--output", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    assert (folder / "plots" / "fixed" / "families.svg").exists()
    page = Page((tmp_path / "page.html").read_text())
    for label in ("minilm", "minilm + own", "tuned + own"):
        assert label in page.words


def test_a_page_never_replaces_a_file_that_is_not_the_studys_unless_asked(tmp_path):
    folder = write_study(tmp_path / "study", modes=("fixed",))
    other = tmp_path / "page.html"
    other.write_text("mine")
    with pytest.raises(InputError, match="page.html exists: choose another `output`"):
        write_report(folder, other)
    assert other.read_text() == "mine"
    assert "<html" in write_report(folder, other, overwrite=True).read_text("utf-8")
