"""Loading topics, qrels, runs, instructions and passages."""

from instrerank.collections.passages import PassageFile
from instrerank.collections.pocket import POCKET
from instrerank.collections.sources import (
    MissingPolicy,
    instructed_topics,
    load_excluded,
    load_instructions,
    load_qrels,
    load_run,
    load_topics,
    open_passages,
)
from instrerank.trec.passages import PassageSource

__all__ = [
    "POCKET",
    "MissingPolicy",
    "PassageFile",
    "PassageSource",
    "instructed_topics",
    "load_excluded",
    "load_instructions",
    "load_qrels",
    "load_run",
    "load_topics",
    "open_passages",
]
