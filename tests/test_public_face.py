"""`import instrerank`: cheap and silent, and exactly the names that it promises."""

import subprocess
import sys
from pathlib import Path

import instrerank as ir


def test_dir_lists_exactly_the_public_names_and_each_of_them_is_there():
    assert dir(ir) == sorted(ir.__all__)
    assert ir._HOME.keys() == set(ir.__all__) - {"__version__"}
    for name in ir.__all__:
        assert getattr(ir, name) is not None


def test_importing_it_loads_neither_torch_nor_java_nor_numpy_and_says_nothing():
    code = "import instrerank, sys; print({'torch', 'transformers', 'jnius', 'pyserini', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_every_public_name_is_on_the_page_of_the_api():
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")
    described = {line.rpartition(".")[2] for line in page.splitlines() if line.startswith("::: ")}
    errors = {"InputError", "InstrerankError", "MissingPrerequisiteError"}  # the page has their whole module
    assert set(ir.__all__) - errors - {"Qrels", "__version__"} <= described
