"""Reading, writing, sorting and validating TREC's text formats: topics, instructions, runs and qrels."""

from instrerank.trec.order import count_tied, ranked, trec_eval_order
from instrerank.trec.qrels import read_qrels, write_qrels
from instrerank.trec.runs import read_run, write_run
from instrerank.trec.topics import read_instructions, read_topics, write_topics
from instrerank.trec.types import Passage, Qrels, Run, ScoredDoc, Topic

__all__ = [
    "Passage",
    "Qrels",
    "Run",
    "ScoredDoc",
    "Topic",
    "count_tied",
    "ranked",
    "read_instructions",
    "read_qrels",
    "read_run",
    "read_topics",
    "trec_eval_order",
    "write_qrels",
    "write_run",
    "write_topics",
]
