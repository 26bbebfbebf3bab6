"""The pages of docs/: those made from the parsers, the site, and the commands and scripts, which run as they stand."""

import argparse
import ast
import gzip
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from instrerank.cli import VERBS, build_parser
from instrerank.collections import POCKET
from instrerank.evaluation.instructions import changed_documents
from instrerank.study import configure, make_plan, read_configuration
from instrerank.trec import Run, read_run, write_run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_a_verb_is_what_its_parser_says(verb):
    page = runpy.run_path(str(DOCS / "generate.py"))["page"]
    assert (DOCS / "verbs" / f"{verb}.md").read_text("utf-8") == page(verb), "run make docs"


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_has_a_help_that_states_its_default(verb):
    subparsers = next(each for each in build_parser(verb)._actions if isinstance(each, argparse._SubParsersAction))
    for action in subparsers.choices[verb]._actions:
        assert action.help, f"{verb} {action.dest}"
        if action.nargs != 0 and action.default not in (None, "", []):
            assert "default" in action.help, f"{verb} {action.dest}"


def test_the_site_has_every_page_and_no_broken_link(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = [page.read_text("utf-8") for page in tmp_path.rglob("*.html")]
    assert len(pages) > len(VERBS)
    assert not any('src="http' in page or '<link href="http' in page for page in pages), "a page needs a network"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page):
    """Yield the commands of a page's sh blocks, each as its words."""
    for block in blocks(page, "sh"):
        lines = block.replace("\\\n", "").splitlines()
        yield from filter(None, (shlex.split(line.partition(" > ")[0], comments=True) for line in lines))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_command_has_flags_that_there_are(page):
    for program, *words in commands(page):
        if program == "instrerank" and "--list" not in words:
            build_parser(words[0]).parse_args(words)


@pytest.fixture
def folder(tmp_path):
    """A working folder with the files that the pages speak of: the first topics of pocket, and its passages."""
    shutil.copytree(ROOT / "runs", tmp_path / "runs")
    topics = (POCKET / "topics.tsv").read_text("utf-8").splitlines()[:5]
    qids = {line.split("\t")[0] for line in topics}
    for name, source in (
        ("topics.tsv", POCKET / "topics.tsv"),
        ("qrels.txt", POCKET / "qrels.original.txt"),
        ("instructions.tsv", POCKET / "instructions.original.tsv"),
    ):
        lines = source.read_text("utf-8").splitlines(keepends=True)
        (tmp_path / name).write_text("".join(line for line in lines if line.split()[0] in qids), "utf-8")
    first_stage = read_run(ROOT / "runs" / "run.pocket.bm25.none.none.clean.txt")
    write_run(tmp_path / "run.bm25.txt", Run("bm25", {qid: first_stage.rankings[qid][:20] for qid in sorted(qids)}))
    shutil.copyfile(POCKET / "passages.jsonl", tmp_path / "passages.jsonl")
    (tmp_path / "passages.jsonl.gz").write_bytes(gzip.compress((POCKET / "passages.jsonl").read_bytes()))
    rows = [
        f'{{"query": "what is {each}", "positive": "All of {each}.", "negatives": ["Nothing."]}}\n' for each in "abcd"
    ]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    return tmp_path


RUN_ALL = """
import ast, glob, sys
from instrerank.cli import main
for words in ast.literal_eval(sys.argv[1]):
    code = main([path for word in words for path in sorted(glob.glob(word)) or [word]])
    assert code == 0, (words, code)
"""
INSTALLATION = ("make", "pip", "python3.11", ".")


@pytest.mark.parametrize(
    ("page", "written"),
    [
        pytest.param("README.md", {"runs/run.instructed.txt", "runs/run.instructed.txt.yaml"}, marks=pytest.mark.java),
        pytest.param(
            "docs/tutorial.md",
            {"demo/runs", "queries/topics.mine.stopword-removal.s1.tsv", "group-minilm-1"},
            marks=pytest.mark.java,
        ),
        ("docs/perturb.md", {"sets/topics.pocket.typo-mixed.s5.jsonl", "sets/querysets.pocket.jsonl"}),
        ("docs/constrain.md", {"constraints/qrels.reversed.txt", "run.changed.txt"}),
        ("docs/attack.md", {"run.attacked.txt", "run.injected.txt"}),
        ("docs/train.md", {"adapters/mine/README.md", "run.mine.txt"}),
        ("docs/integrations.md", {"requests.jsonl", "run.minilm.txt"}),
        ("docs/leaderboards.md", {"group-minilm-1", "results.json", "predictions.json", "submission/run.txt"}),
    ],
)
def test_the_commands_of_a_page_run_in_their_order(page, written, folder):
    words = [words for program, *words in commands(ROOT / page) if program not in INSTALLATION]
    # one process for a page: a JVM keeps the folder in which it started
    done = subprocess.run([sys.executable, "-c", RUN_ALL, repr(words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert all((folder / name).exists() for name in written), sorted(folder.rglob("*"))


def test_a_perturbation_of_ones_own(tmp_path):
    script = "\n".join(blocks(DOCS / "perturb.md", "python"))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sets" / "topics.mine.leet-letter-a.s1.tsv").exists(), list(tmp_path.rglob("*"))


@pytest.mark.parametrize(("page", "printed"), [("constrain", "Constrained("), ("attack", "AttackedQuery(qid=")])
def test_the_python_of_a_page_runs(page, printed, folder):
    script = "\n".join(blocks(DOCS / f"{page}.md", "python"))
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_the_configuration_of_a_study_is_one():
    settings, *additions = (yaml.safe_load(block) for block in blocks(DOCS / "study.md", "yaml"))
    assert configure(settings).pairs == (("minilm", "e5"), ("minilm/none", "minilm/own"))
    for addition in additions:
        configure(settings | addition)


@pytest.mark.java
def test_the_pyserini_script_gives_the_scores_of_the_demo(tmp_path):
    command = [sys.executable, DOCS / "pyserini_script.py", "pocket", "pocket", "pocket", tmp_path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    scores = ast.literal_eval(printed.splitlines()[-1])
    assert scores["ndcg_cut_10"] == pytest.approx(0.6141, abs=1e-3)
    assert (tmp_path / "run.minilm.txt").is_file()


def test_the_stance_script_makes_a_study_in_which_every_abstract_stops_being_relevant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["claim_id\tclaim\tdoc_id\tlabel", "1\ttea helps\td1\tSUPPORT", "1\ttea helps\td2\tSUPPORT"]
    rows += ["2\ttea harms\td1\tCONTRADICT", "3\ttea is green\td3\tNEI"]
    Path("stance.tsv").write_text("\n".join(rows) + "\n")
    subprocess.run([sys.executable, DOCS / "scifact_stance.py", "stance.tsv", "pocket", "stance"], check=True)
    plan = make_plan(configure(read_configuration(Path("stance/study.yaml"))))
    assert changed_documents(plan.qrels, plan.changed_qrels) == {"1": ["d1", "d2"], "2": ["d1"]}
    assert plan.instructions["own"]["1"] == plan.instructions["changed"]["2"]
    assert plan.instructions["changed"]["1"] == plan.instructions["own"]["2"]


def test_the_table_of_rooms_is_the_contract_of_the_lint():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    table = re.findall(r"^\| (`.*?) \|", (DOCS / "architecture.md").read_text("utf-8"), re.MULTILINE)
    rooms = [name.strip("`/") for row in table for name in row.split(", ")]
    assert rooms == layers[::-1]
