"""The generic prompts of a study: each is one instruction for every topic, and a condition of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from instrerank.errors import InputError
from instrerank.files import read_lines, whole_file

PROMPT = "prompt-"
"""What the conditions of prompts begin with; the prompt's id follows."""


def read_prompts(path: str | Path) -> dict[str, str]:
    """Return the prompts of a file by condition: `prompt-<id>`.

    The file has one prompt a line, whose id is the number of its line, or TSV with the columns id and prompt. Lines of
    whitespace are skipped.

    Raises:
        InputError: the file cannot be read; a line without id or prompt, an id that cannot be part of a file's name, a
            duplicate id or prompt, or fewer than two prompts.
    """
    lines = [(number, line) for number, line in read_lines(path) if line.strip()]
    columns = any("\t" in line for _, line in lines)
    prompts: dict[str, str] = {}
    for number, line in lines:
        name, tab, text = line.partition("\t") if columns else (str(number), "\t", line)
        name, text = name.strip(), text.strip()
        place = f"{path}:{number}"
        if not tab or not text or "\t" in text:
            raise InputError(f"{place}: expected an id, a tab and a prompt, as in other lines of the file")
        if not re.fullmatch(r"[\w+-]{1,60}", name):
            raise InputError(
                f"{place}: the id of a prompt must be 1 to 60 letters, digits, +, _ and -, got {name!r:.80}"
            )
        if PROMPT + name in prompts:
            raise InputError(f"{place}: duplicate id {name}")
        if text in prompts.values():
            raise InputError(f"{place}: duplicate prompt, which would count more than once: {text:.80}")
        prompts[PROMPT + name] = text
    if len(prompts) < 2:
        raise InputError(f"{path}: a comparison over prompts needs at least 2, got {len(prompts)}")
    return prompts


def write_prompts(path: Path, prompts: Mapping[str, str]) -> None:
    """Write prompts by condition as TSV, as `read_prompts` reads them.

    Raises:
        InputError: the file cannot be written.
    """
    with whole_file(path) as file:
        for condition, text in prompts.items():
            file.write(f"{condition.removeprefix(PROMPT)}\t{text}\n")
