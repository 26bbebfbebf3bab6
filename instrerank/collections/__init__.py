"""Where topics, qrels and passage texts come from."""

from instrerank.collections.passages import PassageFile
from instrerank.collections.pocket import POCKET
from instrerank.collections.sources import load_instructions, load_qrels, load_run, load_topics, open_passages
from instrerank.trec.passages import PassageSource

__all__ = [
    "POCKET",
    "PassageFile",
    "PassageSource",
    "load_instructions",
    "load_qrels",
    "load_run",
    "load_topics",
    "open_passages",
]
