"""Sentences from frames: files with a [heading] above the frames of each section, one per line."""

from __future__ import annotations

import random
import re
from pathlib import Path

NOUNS = ("passages",) * 4 + ("documents", "documents", "texts", "results", "results", "pages", "sources", "articles")
"""Words for passages, as often as they are drawn."""
_HEADING = re.compile(r"\[[a-z :]+\]")


class Frames:
    """The frames of a file by section."""

    def __init__(self, path: Path):
        self._sections: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in path.read_text("utf-8").splitlines():
            if _HEADING.fullmatch(line):
                lines = self._sections[line.strip("[]")] = []
            elif line:
                lines.append(line)

    def fill(self, section: str, rng: random.Random, **fields: str) -> str:
        """Draw a frame of a section and fill it; {n} and {N} are a word for passages, {s} is its singular."""
        noun = rng.choice(NOUNS)
        words = {"n": noun, "N": noun.capitalize(), "s": noun.removesuffix("s")} | fields
        return rng.choice(self._sections[section]).format(**words)
