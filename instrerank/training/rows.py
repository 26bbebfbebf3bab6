"""Training data: rows of triples that belong together, from common formats.

A row is never split across batches or devices: InF-IR's poisoned items act as negatives only because the triples of a
row are in the same batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import parse_json, read_lines
from instrerank.perturbations.constraints import Rule
from instrerank.trec import read_topics
from instrerank.trec.passages import join_title
from instrerank.trec.problems import counted, listed

HUB = "hf:"


class Triple(NamedTuple):
    """One positive pair.

    Attributes:
        query: the query.
        instruction: the instruction, or "".
        passage: a passage that answers the query under the instruction.
        negatives: hard negatives, which do not.
    """

    query: str
    instruction: str
    passage: str
    negatives: tuple[str, ...] = ()


class Row(NamedTuple):
    """Triples that stay together.

    Attributes:
        name: origin of the row, `FILE:LINE`, for messages.
        triples: one or more triples, which provide poisoned instructions and queries for each other.
    """

    name: str
    triples: tuple[Triple, ...]


def read_rows(source: str | Path) -> list[Row]:
    """Read training rows from a file or `hf:ID` (a dataset on the Hugging Face hub, or a folder in its layout).

    JSON lines are recognised by their fields:

    * InF-IR: `query_positive`, `instruction_positive`, `document` or `document_positive`, …; three triples,
      a (I+, Q+) → P+, b (I−, Q+) → `hard_negative_document_1`, c (I+, Q−) → `hard_negative_document_2`.
    * Tevatron and Promptriever: `query`, `positive_passages`, `negative_passages`, and `new_negatives` as
      instruction negatives; `only_query` and `only_instruction` are used if present.
    * Ours: `query`, `instruction`, `positive`, `negatives`; a list of such objects is one row.

    TSV is MS MARCO's triples: query, positive, negative.

    Raises:
        InputError: lists the invalid lines: a missing or empty field, invalid JSON, no negatives.
        MissingPrerequisiteError: `hf:` without the package datasets, or not downloadable.
    """
    if str(source).startswith(HUB):
        return _collect(source, enumerate(_hub_records(str(source).removeprefix(HUB)), start=1), _row_of)
    return _collect(source, ((at, line) for at, line in read_lines(source) if line.strip()), _row_of_line)


def as_rows(source: Any) -> list[Row]:
    """Return training rows from a list of `Row`, or of records with the fields known to `read_rows`.

    Raises:
        InputError: an unsupported type, or lists the invalid records.
    """
    if not isinstance(source, Sequence) or not source:
        raise InputError(f"cannot read training rows from {source!r:.60}: give a file, or a list of rows")
    if all(isinstance(each, Row) for each in source):
        return list(source)
    return _collect("data", enumerate(source, start=1), _row_of)


def _collect(
    source: str | Path, lines: Iterable[tuple[int, Any]], parse: Callable[[str, Any], Row], shown: int = 5
) -> list[Row]:
    rows, wrong = [], []
    for number, line in lines:
        try:
            rows.append(parse(f"{source}:{number}", line))
        except InputError as error:
            wrong.append(f"{source}:{number}: {str(error).removeprefix(f'{source}:{number}: ')}")
    if wrong:
        more = [f"… and {counted(len(wrong) - shown, 'more row')}"] if len(wrong) > shown else []
        raise InputError("\n".join(wrong[:shown] + more))
    if not rows:
        raise InputError(f"{source} contains no rows")
    return rows


class _RowError(InputError):
    """An error in one row."""


def _row_of_line(name: str, line: str) -> Row:
    if line.lstrip()[0] not in "{[":
        columns = line.split("\t")
        if len(columns) != 3 or not all(column.strip() for column in columns):
            raise _RowError(f"expected JSON or query<TAB>positive<TAB>negative, found {len(columns)} columns")
        return Row(name, (Triple(columns[0], "", columns[1], (columns[2],)),))
    return _row_of(name, parse_json(line, name))


def _row_of(name: str, record: Any) -> Row:
    if isinstance(record, list) and record:
        return Row(name, tuple(_triple(each) for each in record))
    if not isinstance(record, dict):
        raise _RowError("expected a JSON object or a list of them")
    if "query_positive" in record:
        return Row(name, _inf_ir(record))
    if "positive_passages" in record:
        return Row(name, _tevatron(record))
    return Row(name, (_triple(record),))


def _inf_ir(record: Mapping[str, Any]) -> tuple[Triple, ...]:
    query, instruction = _text(record, "query_positive"), _text(record, "instruction_positive")
    return (
        Triple(query, instruction, _text(record, "document_positive" if "document" not in record else "document")),
        Triple(query, _text(record, "instruction_negative"), _text(record, "hard_negative_document_1")),
        Triple(_text(record, "query_negative"), instruction, _text(record, "hard_negative_document_2")),
    )


def _tevatron(record: Mapping[str, Any]) -> tuple[Triple, ...]:
    query = _text(record, "only_query" if record.get("only_query") else "query")
    positives = _passages(record, "positive_passages")
    negatives = _passages(record, "negative_passages") + _passages(record, "new_negatives")
    if not positives or not negatives:
        raise _RowError("no passage in positive_passages, or none in negative_passages and new_negatives")
    return (Triple(query, _text_if_any(record, "only_instruction"), positives[0], tuple(negatives)),)


def _passages(record: Mapping[str, Any], field: str) -> list[str]:
    passages = record.get(field) or []
    if not isinstance(passages, list) or not all(isinstance(each, dict) for each in passages):
        raise _RowError(f"{field} is not a list of passages")
    return [join_title(_text_if_any(each, "title"), text=_text(each, "text")) for each in passages]


def _triple(record: Any) -> Triple:
    if not isinstance(record, dict):
        raise _RowError("expected a JSON object for each triple")
    negatives = record.get("negatives", [])
    if not isinstance(negatives, list) or not all(isinstance(text, str) and text.strip() for text in negatives):
        raise _RowError("negatives is not a list of texts")
    instruction = _text_if_any(record, "instruction")
    return Triple(_text(record, "query"), instruction, _text(record, "positive"), tuple(negatives))


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise _RowError(f"{field} is {'empty' if isinstance(value, str) else 'missing or not a text'}")
    return value


def _text_if_any(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _RowError(f"{field} is not a text")
    return value


def _hub_records(name: str) -> list[Any]:
    try:
        import datasets
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"datasets from the Hugging Face hub need the package datasets: {pip_install('train')}"
        ) from error
    try:
        configurations = datasets.get_dataset_config_names(name)
        parts = [datasets.load_dataset(name, configuration) for configuration in configurations]
    except Exception as error:  # no network, no such id: the hub's own words say which
        raise MissingPrerequisiteError(
            f"the dataset {name} is not in the cache and cannot be downloaded: {error}. Give a file with its rows"
        ) from error
    return [record for part in parts for split in part.values() for record in split]


class _Record(NamedTuple):
    """A line of `constraints.jsonl`."""

    name: str
    query: str
    wanted: Sequence[str]
    opposite: Sequence[str]
    kept: Sequence[str]
    dropped: Sequence[str]


def _read_constraints(folder: Path) -> list[_Record]:
    queries = {topic.qid: topic.text for topic in read_topics(folder / "topics.tsv")}
    records = []
    for number, line in read_lines(folder / "constraints.jsonl"):
        name = f"{folder / 'constraints.jsonl'}:{number}"
        record = parse_json(line, name)
        try:
            rule = Rule(**record["rule"])
            against = replace(rule, wanted=not rule.wanted).phrasings
            opposite = [f"{record['original']} {phrasing}" for phrasing in against]
            lists = [record[field] for field in ("phrasings", "kept", "dropped")]
            if not all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in lists):
                raise TypeError("phrasings, kept and dropped are lists of texts")
            wanted, kept, dropped = lists
            records.append(_Record(name, queries[record["qid"]], wanted, opposite, kept, dropped))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{name}: not a constraint on these topics: {error!r}") from error
    if not records:
        raise InputError(f"{folder} contains no constraints")
    return records


def constraint_rows(folder: str | Path, lookup: Callable[[list[str]], Mapping[str, str]], most: int = 4) -> list[Row]:
    """Make rows from the output of `constrain`: a rule and its opposite, with the passages relevant under each.

    The i-th kept and the i-th dropped passage make a row of two triples: (instruction with the rule, query) → kept
    and (instruction with the opposite rule, query) → dropped; the passage of each is the negative of the other.

    Args:
        folder: folder with `topics.tsv` and `constraints.jsonl`.
        lookup: returns the texts of docids, as `PassageSource.lookup` does.
        most: maximum number of rows per topic.

    Raises:
        InputError: a missing or damaged file, or docids without text.
    """
    records = _read_constraints(Path(folder))
    docids = list(dict.fromkeys(docid for record in records for docid in (*record.kept, *record.dropped)))
    texts = lookup(docids)
    missing = [docid for docid in docids if not texts.get(docid, "").strip()]
    if missing:
        raise InputError(f"{folder}: no text in `corpus` for {counted(len(missing), 'docid')}: {listed(missing)}")
    rows = []
    for record in records:
        for at, (good, bad) in enumerate(list(zip(record.kept, record.dropped, strict=False))[:most]):
            wanted, opposite = (phrasings[at % len(phrasings)] for phrasings in (record.wanted, record.opposite))
            first = Triple(record.query, wanted, texts[good], (texts[bad],))
            second = Triple(record.query, opposite, texts[bad], (texts[good],))
            rows.append(Row(f"{record.name}#{at}", (first, second)))
    return rows
