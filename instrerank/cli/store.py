"""`instrerank store`: what the store of passage vectors holds."""

from __future__ import annotations

import argparse

from instrerank.cli.inputs import add_format_argument, settings_of
from instrerank.tables import render

DESCRIPTION = """List the kinds of vectors in the store of passage vectors, one for each combination of model,
template, length, precision and device, with their sizes. Vectors may be removed at any time: they
are encoded again when they are needed.
"""
EPILOG = """examples:
  instrerank store
  instrerank store --store vectors --verify
  instrerank store --store vectors --compact
  instrerank store --remove 3f9a
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--store",
        metavar="DIR",
        help="folder of the store (default: store in $INSTRERANK_CACHE, else in ~/.cache/instrerank)",
    )
    parser.add_argument("--verify", action="store_true", help="read every vector and compare checksums")
    parser.add_argument(
        "--compact",
        action="store_true",
        help="rewrite each kind of vectors in few files, without duplicates and damaged files",
    )
    parser.add_argument(
        "--remove",
        metavar="NAME",
        nargs="+",
        default=(),
        help="remove kinds of vectors, by the first letters of their names; all for every kind (default: none)",
    )
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the store; return 2 if files are damaged."""
    from instrerank.jobs.store import StoreSettings, tend_store

    kinds = tend_store(settings_of(StoreSettings, arguments))
    names = ["name", "texts", "dim", "files", "MiB", "damaged", "model", "dtype", "device", "length", "template"]
    rows = [
        (
            *(kind.name[:8], kind.texts, kind.dimension, kind.shards, f"{kind.size / 2**20:.1f}", len(kind.damaged)),
            *(str(kind.key.get("fingerprint", "?"))[:8], kind.key.get("dtype", "?"), kind.key.get("device", "cpu")),
            *(kind.key.get("max_length", "?"), kind.key.get("template", "?")),
        )
        for kind in kinds
    ]
    print(render(names, rows, arguments.format))
    return 2 if any(kind.damaged for kind in kinds) else 0
