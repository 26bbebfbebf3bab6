"""rank_llm's requests and results: a query and its candidates with their texts, one JSON object per line.

Fields as in `rank_llm.data` (castorini/rank_llm): `{"query": {"text", "qid"}, "candidates": [{"docid", "score",
"doc"}]}`, where `doc` contains the fields of a document in a Lucene index (`contents`, or `title` and `text`, …).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines, whole_file
from instrerank.reranking import Candidates
from instrerank.trec import Run, ScoredDoc, Topic, trec_eval_order
from instrerank.trec.lines import json_texts
from instrerank.trec.numbers import fits_float32
from instrerank.trec.passages import passage_of_fields
from instrerank.trec.problems import Problems, counted
from instrerank.trec.records import is_empty, unfit_id


class Requests(NamedTuple):
    """The content of a requests file, which is all that reranking needs.

    Attributes:
        topics: the queries, in file order.
        run: their candidates in trec_eval's order; its tag is `rank_llm`.
        texts: passage texts by docid.
    """

    topics: list[Topic]
    run: Run
    texts: dict[str, str]


def read_requests(path: str | Path) -> Requests:
    """Read requests or results as written by `rank_llm.data.DataWriter`: one object per line, or an array (`.json`).

    Raises:
        InputError: lists the invalid lines: missing fields, a duplicate qid or docid, a score that is not a number,
            a docid with two texts.
    """
    problems = Problems(path)
    rankings: dict[str, list[ScoredDoc]] = {}
    requests = Requests([], Run("rank_llm", rankings), {})
    first_line: dict[str, int] = {}
    lines = ((number, line) for number, line in read_lines(path) if line.strip())
    for number, text in json_texts(lines, path):
        try:
            topic, ranking, texts = _parse_request(text, f"{path}:{number}")
        except InputError as error:
            problems.add_error(error, number)
            continue
        if topic.qid in first_line:
            problems.add(number, f"duplicate qid {topic.qid}, first on line {first_line[topic.qid]}")
        differing = [docid for docid, text in texts.items() if requests.texts.get(docid, text) != text]
        for docid in differing:
            problems.add(number, f"docid {docid} has a different text on an earlier line")
        first_line.setdefault(topic.qid, number)
        requests.topics.append(topic)
        rankings[topic.qid] = trec_eval_order(ranking)
        requests.texts.update(texts)
    if not first_line and not problems.errors:
        problems.add(0, "empty file: contains no requests")
    problems.raise_errors()
    return requests


def _parse_request(text: str, place: str) -> tuple[Topic, list[ScoredDoc], dict[str, str]]:
    match parse_json(text, place):
        case {"query": {"qid": str() | int() as qid, "text": str(question), **query}, "candidates": list(candidates)}:
            topic = Topic(str(qid), question, str(query.get("instruction") or ""))
        case _:
            raise InputError('expected {"query": {"qid": …, "text": …}, "candidates": [{"docid", "score", "doc"}, …]}')
    if unfit := unfit_id(topic.qid):
        raise InputError(f"qid {topic.qid!r:.60} {unfit}")
    if is_empty(topic.text):
        raise InputError(f"qid {topic.qid} has an empty text")
    ranking = [_parse_candidate(candidate, place) for candidate in candidates]
    texts = {document.docid: text for document, text in ranking}
    if len(texts) < len(ranking):
        raise InputError(f"qid {topic.qid}: duplicate docid among its {counted(len(ranking), 'candidate')}")
    return topic, [document for document, _ in ranking], texts


def _parse_candidate(candidate: Any, place: str) -> tuple[ScoredDoc, str]:
    match candidate:
        case {"docid": str() | int() as docid, "score": int() | float() as score, "doc": dict(doc)}:
            pass
        case _:
            raise InputError(f'candidate {candidate!r:.80}: expected {{"docid": …, "score": number, "doc": {{…}}}}')
    if unfit := unfit_id(str(docid)):
        raise InputError(f"docid {docid!r:.60} {unfit}")
    if not fits_float32(score):
        raise InputError(f"docid {docid}: score {score!r:.40} is not a finite number as float32")
    return ScoredDoc(str(docid), float(score)), passage_of_fields({**doc, "docid": docid}, place).text


def write_requests(path: str | Path, candidates: Sequence[Candidates], texts: Mapping[str, str]) -> None:
    """Write candidates as requests for `rank_llm.data.read_requests_from_file`.

    Instructions are written to a separate field, `query.instruction`, which rank_llm ignores: its prompts contain only
    the query text.

    Args:
        path: the file; rank_llm requires a name that ends in `.jsonl`.
        candidates: candidates per topic from `instrerank.reranking.select_candidates`; those below its depth are
        omitted.
        texts: passage texts by docid, for every candidate.
    """
    with whole_file(path) as file:
        for each in candidates:
            query = {"text": each.topic.text, "qid": each.topic.qid}
            if each.topic.instruction:
                query["instruction"] = each.topic.instruction
            request = {
                "query": query,
                "candidates": [
                    {"docid": docid, "score": float(f"{score:.9g}"), "doc": {"contents": texts[docid]}}
                    for docid, score in each.reranked
                ],
            }
            file.write(json.dumps(request, ensure_ascii=False) + "\n")
