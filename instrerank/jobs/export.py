"""The job `export`: validate a run and write it in the format of a leaderboard or another tool."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import load_run, load_topics, open_passages
from instrerank.collections.loaded import is_name
from instrerank.collections.sources import PREFIX
from instrerank.errors import InputError
from instrerank.files import is_standard_stream, is_stream
from instrerank.integrations.rank_llm import write_requests
from instrerank.integrations.results import write_beir_results, write_mteb_predictions
from instrerank.integrations.tira import tira_metadata, write_tira_folder
from instrerank.jobs.described import name_of
from instrerank.jobs.outputs import check_output, staged
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import read_sidecar, sidecar_path
from instrerank.reranking import candidate_docids, select_candidates
from instrerank.trec import Run, ScoredDoc, Topic, trec_eval_order, write_run
from instrerank.trec.columns import Change, ChangedRankings, read_run_columns
from instrerank.trec.order import without_ties
from instrerank.trec.problems import Problems, counted
from instrerank.trec.runs import RunRow, parse_run
from instrerank.trec.submission import PRESETS, Preset, check_submission, keeps_rules

log = logging.getLogger(__name__)

FORMATS = {
    "trec": "six columns (default preset: trec)",
    "msmarco": "three columns, qid pid rank (default preset: msmarco-passage)",
    "beir": "JSON, scores by qid and docid",
    "mteb": "JSON, in the format of mteb's saved predictions",
    "tira": "a folder with run.txt and ir-metadata.yml",
    "rank_llm": "JSONL, requests with the candidates' texts (needs topics and passages)",
}
"""The values of `to`, each with a description of the output."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Settings of `export`.

    Attributes:
        run: as `instrerank.load_run` takes it.
        to: format, one of `FORMATS`.
        output: file to write; for "tira" a folder.
        preset: submission rules that the run must satisfy, one of `instrerank.trec.submission.PRESETS`; None: the
            format's own.
        topics: as `instrerank.load_topics` takes them; the run must have a row for each, and no other qids.
        corpus: passages as `instrerank.open_passages` takes them, for "rank_llm".
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        hits: number of documents per topic to keep; None: all, for "rank_llm" 100.
        runtag: tag of the exported run; None: the run's own.
        break_ties: lower tied scores by the smallest possible step, for programs that break ties differently from
            trec_eval.
        mteb_subset: subset in mteb's predictions.
        mteb_split: split in mteb's predictions.
        metadata: fields of ir_metadata by dotted path, for "tira".
        overwrite: replace existing output made from another run or with other settings.
    """

    run: Any
    to: str
    output: str | Path
    preset: str | None = None
    topics: Any = None
    corpus: Any = None
    index: str | Path | None = None
    hits: int | None = None
    runtag: str | None = None
    break_ties: bool = False
    mteb_subset: str = "default"
    mteb_split: str = "test"
    metadata: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        if self.to not in FORMATS:
            raise InputError(f"unknown `to` {self.to!r}. Available: {', '.join(FORMATS)}")
        if self.preset is not None and self.preset not in PRESETS:
            raise InputError(f"unknown `preset` {self.preset!r}. Available: {', '.join(PRESETS)}")
        if self.hits is not None and self.hits < 1:
            raise InputError(f"`hits` must be at least 1, got {self.hits}")
        if self.to in ("trec", "msmarco") and (self.rules.tag is None) != (self.to == "msmarco"):
            raise InputError(f"`preset` {self.preset} requires other columns than `to` {self.to} writes")
        if self.to == "tira" and is_stream(self.output):
            raise InputError("`to` tira writes a folder: give one as `output`")
        if self.to == "rank_llm" and (self.topics is None or self.passages is None):
            raise InputError("`to` rank_llm needs texts: give `topics`, and `corpus` or `index`")

    @property
    def rules(self) -> Preset:
        """The rules that the exported rows must satisfy; without a preset, only those about topics."""
        default = {"trec": "trec", "msmarco": "msmarco-passage"}.get(self.to, "")
        return PRESETS.get(self.preset or default, Preset(documents=10**9))

    @property
    def passages(self) -> Any:
        """The passages: `corpus` or `index`."""
        return self.corpus if self.corpus is not None else self.index


class Exported(NamedTuple):
    """What `export` returns.

    Attributes:
        output: the file or folder written.
        run: the rankings as written.
        rows: number of rows.
    """

    output: Path
    run: Run
    rows: int


def export(run: Any, to: str, output: str | Path, **settings: Any) -> Exported:
    """Validate a run and write it in another format.

    Args:
        run: as `instrerank.load_run` takes it.
        to: "trec", "msmarco", "beir", "mteb", "tira" or "rank_llm".
        output: file to write; for "tira" a folder.
        **settings: other fields of `ExportSettings`.

    Raises:
        InputError: violations (the message lists each with its line), incompatible settings, or an `output` that is
            an input or exists with other content; nothing is written then.
        MissingPrerequisiteError: an index without Java, or `irds:` without ir_datasets.
    """
    return run_export(settings_of(ExportSettings, run=run, to=to, output=output, **settings))


def run_export(settings: ExportSettings) -> Exported:
    """Run `export` with the given settings."""
    output = Path(settings.output)
    inputs = {name: getattr(settings, name) for name in ("topics", "corpus", "index")}
    inputs["run"] = _file_of(settings.run)
    if settings.to != "tira":
        check_output(output, inputs)
    topics = load_topics(settings.topics) if settings.topics is not None else []
    exported = _checked(settings, topics)
    if settings.to == "tira":
        metadata = tira_metadata(exported, _sidecar(settings.run), settings.metadata)
        with staged(output, inputs, overwrite=settings.overwrite) as staging:
            write_tira_folder(staging, exported, metadata)
    elif is_stream(output):
        _write(output, settings, exported, topics)
    else:
        with staged(output.parent, inputs, overwrite=settings.overwrite) as staging:
            _write(staging / output.name, settings, exported, topics)
    rows = sum(exported.sizes.values())
    log.info(f"{output}: {counted(len(exported.rankings), 'topic')}, {counted(rows, 'row')} for {settings.to}")
    return Exported(output, exported, rows)


def _write(path: Path, settings: ExportSettings, exported: Run, topics: Sequence[Topic]) -> None:
    match settings.to:
        case "trec" | "msmarco" as columns:
            write_run(path, exported, columns)
        case "beir":
            write_beir_results(path, exported)
        case "mteb":
            write_mteb_predictions(path, exported, subset=settings.mteb_subset, split=settings.mteb_split)
        case _:
            hits = settings.hits or 100
            texts = open_passages(settings.passages).lookup(candidate_docids(exported, hits))
            candidates, _ = select_candidates(exported, topics, texts, hits=hits)
            write_requests(path, candidates, texts)


def _checked(settings: ExportSettings, topics: Sequence[Topic]) -> Run:
    """Return the run as it will be exported, after checking its rows against the rules."""
    order = without_ties if settings.break_ties else trec_eval_order
    qids = [topic.qid for topic in topics] or None
    plain = _checked_columns(settings, order, qids) if _is_file(settings.run) else None
    if plain is not None:
        return plain
    problems = Problems(name_of(settings.run))
    rows = _rows(settings.run, problems)
    second_column = "Q0" if settings.rules.tag else ""
    row_of = {(row.qid, row.docid): row._replace(q0=second_column, tag=settings.runtag or row.tag) for row in rows}
    by_qid: dict[str, list[ScoredDoc]] = {}
    for qid, docid in row_of:
        by_qid.setdefault(qid, []).append(ScoredDoc(docid, row_of[qid, docid].score))
    rankings = {qid: order(ranking)[: settings.hits] for qid, ranking in by_qid.items()}
    written = [
        row_of[qid, docid]._replace(rank=rank, score=score)
        for qid, ranking in rankings.items()
        for rank, (docid, score) in enumerate(ranking, start=1)
    ]
    check_submission(written, settings.rules, problems, qids)
    problems.raise_errors(shown=len(problems.errors))
    return Run(settings.runtag or rows[0].tag, rankings)


def _checked_columns(settings: ExportSettings, order: Change, qids: Sequence[str] | None) -> Run | None:
    """Return a large run as it will be exported; None if its rows must be looked at one by one."""
    read = read_run_columns(settings.run)
    if read is None:
        return None
    tag, rows = settings.runtag or read[0], read[1]
    sizes = {qid: min(size, settings.hits or size) for qid, size in rows.sizes.items()}
    rankings = ChangedRankings(rows, sizes, lambda ranking: order(ranking)[: settings.hits])
    if settings.hits is None:
        docids = ((qid, rows.columns(qid).docids) for qid in rows)
    else:
        docids = ((qid, [docid for docid, _ in ranking]) for qid, ranking in rankings.items())
    return Run(tag, rankings) if keeps_rules(settings.rules, tag, docids, qids) else None


def _rows(run: Any, problems: Problems) -> list[RunRow]:
    """Return the rows of a run; those of a file have line numbers, for the list of problems."""
    if _is_file(run):
        return list(parse_run(run, problems))
    loaded = load_run(run)
    rows = [
        RunRow(0, qid, docid, rank, score, loaded.tag, "Q0")
        for qid, ranking in loaded.rankings.items()
        for rank, (docid, score) in enumerate(ranking, start=1)
    ]
    if not rows:
        problems.add(0, "the run is empty")
    return rows


def _is_file(run: Any) -> bool:
    return is_name(run) and not str(run).startswith(PREFIX)


def _file_of(run: Any) -> Any:
    """Return the file of a run: its path, or the file written by the job that made it."""
    return run if is_name(run) else getattr(run, "output", None)


def _sidecar(run: Any) -> dict[str, Any]:
    file = _file_of(run)
    if file is None or is_standard_stream(file) or not sidecar_path(file).exists():
        missing = f"{sidecar_path(file)} does not exist" if file is not None else "a run in memory has none"
        raise InputError(f"`to` tira needs the run's sidecar, but {missing}: search and rerank write one for each run")
    return read_sidecar(file)
