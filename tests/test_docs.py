"""The pages of docs/: those made from the parsers, the site of all, and the scripts, which run as they stand."""

import argparse
import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from instrerank.cli import VERBS, build_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_a_verb_is_what_its_parser_says(verb):
    page = runpy.run_path(str(DOCS / "generate.py"))["page"]
    assert (DOCS / "verbs" / f"{verb}.md").read_text("utf-8") == page(verb), "run make docs"


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_has_a_help_that_tells_its_default(verb):
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


@pytest.mark.java
def test_the_pyserini_script_gives_the_scores_of_the_demo(tmp_path):
    command = [sys.executable, DOCS / "pyserini_script.py", "pocket", "pocket", "pocket", tmp_path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    scores = ast.literal_eval(printed.splitlines()[-1])
    assert scores["ndcg_cut_10"] == pytest.approx(0.6141, abs=1e-3)
    assert (tmp_path / "run.minilm.txt").is_file()
