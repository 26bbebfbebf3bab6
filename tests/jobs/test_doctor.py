"""`doctor` lists every extra there is, with what it serves and the one remedy."""

import configparser
import importlib.metadata
from pathlib import Path

from instrerank.errors import pip_install
from instrerank.jobs import doctor


def test_every_extra_of_the_package_is_listed_with_its_packages():
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).parents[2] / "setup.cfg")
    extras = parser["options.extras_require"]
    assert doctor.EXTRAS.keys() == set(extras) - {"demo", "dev"}
    for name, extra in doctor.EXTRAS.items():
        assert all(package in extras[name] for package in extra.packages), name


def test_a_missing_extra_says_what_it_serves_and_how_to_install_it(monkeypatch):
    def version(package):
        if package in ("accelerate", "peft", "pyserini"):
            raise importlib.metadata.PackageNotFoundError
        return "1.2.3.4"

    monkeypatch.setattr(importlib.metadata, "version", version)
    parts = {part.part: part for part in doctor.examine()}
    assert parts["train"] == ("train", "missing: accelerate, peft (train)", "pip install 'instrerank[train]'", False)
    assert parts["pyserini"].remedy == pip_install("pyserini") and parts["pyserini"].needed
    assert parts["mteb"] == ("mteb", "mteb 1.2.3.4", "", False)
