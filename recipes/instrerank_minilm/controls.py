"""Train the controls that show what an instruction contributes: InF-Embed's objective with one change each.

python recipes/instrerank_minilm/controls.py --rows ROWS.jsonl --output DIR [--steps 300] [--only NAME …]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instrerank.cli import main as instrerank
from instrerank.files import read_lines, whole_file
from instrerank.perturbations import generator

Rows = list[list[dict[str, Any]]]


def unchanged(rows: Rows) -> Rows:
    return rows


def without_instructions(rows: Rows) -> Rows:
    return [[{**each, "instruction": ""} for each in row] for row in rows]


def swapped_instructions(rows: Rows) -> Rows:
    said = [each["instruction"] for row in rows for each in row]
    others = iter(generator(1, "swapped", "").sample(said, len(said)))
    return [[{**each, "instruction": next(others)} for each in row] for row in rows]


CONTROLS: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "multi-P-I": (unchanged, []),
    "without-instructions": (without_instructions, ["--terms", "P"]),
    "swapped-instructions": (swapped_instructions, []),
    "uni-P-I": (unchanged, ["--objective", "uni"]),
    "no-marginal-negatives": (unchanged, ["--terms", "P"]),
    "attention": (unchanged, ["--query-encoding", "attention"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="of rows.py")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", default="300")
    parser.add_argument("--only", nargs="*", choices=CONTROLS, default=list(CONTROLS))
    arguments = parser.parse_args()
    read = [json.loads(line) for _, line in read_lines(arguments.rows)]
    rows = [each if isinstance(each, list) else [each] for each in read]
    for name in arguments.only:
        change, flags = CONTROLS[name]
        folder = arguments.output / name
        data = folder / "rows.jsonl"
        with whole_file(data) as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in change(rows))
        shared = ["--lora", "--side", "query", "--alpha", "16", "--batch-size", "16", "--learning-rate", "2e-4"]
        shared += ["--instructions-per-query", "2", "--warmup-steps", "30", "--too-long", "truncate"]
        places = ["--data", str(data), "--encoder", "minilm", "--output", str(folder / "adapter")]
        code = instrerank(["train", *places, *shared, "--max-steps", arguments.steps, *flags])
        if code:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
