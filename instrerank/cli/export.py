"""`instrerank export`: a run in the form that a leaderboard or another tool asks for, checked before it is written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.cli.inputs import add_passage_arguments, add_topics_argument, open_passages_of, positive
from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.files import is_standard_stream

if TYPE_CHECKING:
    from instrerank.trec import Run, Topic

FORMATS = {
    "trec": "six columns (checked against the preset trec unless --preset says otherwise)",
    "msmarco": "three columns, qid pid rank (preset msmarco-passage)",
    "beir": "JSON, scores by qid and docid",
    "mteb": "JSON, mteb's saved predictions",
    "tira": "a folder with run.txt and ir-metadata.yml",
    "rank_llm": "JSONL, requests with the candidates' texts (wants --topics, and --corpus or --index)",
}
EPILOG = """formats:
{formats}

examples:
  instrerank export run.txt --to trec --topics topics.tsv --runtag group-run1 --output group-run1
  instrerank export run.txt --to msmarco --topics topics.tsv --output eval.tsv
  instrerank export run.txt --to rank_llm --topics topics.tsv --corpus passages.jsonl --hits 20 --output requests.jsonl
  instrerank export run.txt --to tira --output submission --metadata actor.team=NAME \\
      implementation.source.repository=URL 'data.test collection.name=NAME' method.description=TEXT
""".format(formats="\n".join(f"  {name:9} {what}" for name, what in FORMATS.items()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    from instrerank.trec.submission import PRESETS

    parser.epilog = EPILOG
    parser.add_argument("run_file", metavar="RUN", type=Path, help="run file, TREC or MS MARCO format")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the form")
    parser.add_argument("--output", required=True, type=Path, help="the file to write, for tira the folder")
    parser.add_argument("--preset", choices=PRESETS, help="the rules that the run must keep")
    add_topics_argument(parser, required=False, note="every one of these must have a row: ")
    add_passage_arguments(parser, required=False)
    parser.add_argument("--hits", type=positive, help="keep only so many of each topic (default: all; rank_llm 100)")
    parser.add_argument("--runtag", metavar="TAG", help="tag of the exported run (default: the run's own)")
    parser.add_argument(
        "--break-ties",
        action="store_true",
        help="lower tied scores by the least step, for programs that order ties otherwise than trec_eval",
    )
    parser.add_argument(
        "--mteb.subset", dest="mteb_subset", metavar="NAME", default="default", help="of the task (default default)"
    )
    parser.add_argument(
        "--mteb.split", dest="mteb_split", metavar="NAME", default="test", help="of the task (default test)"
    )
    parser.add_argument(
        "--metadata", nargs="+", metavar="FIELD=VALUE", default=[], help="fields of ir_metadata for tira"
    )


def run(arguments: argparse.Namespace) -> None:
    """Check, then write; every violation is told with its line, and then nothing is written."""
    from instrerank.collections import load_topics
    from instrerank.integrations.results import write_beir_results, write_mteb_predictions
    from instrerank.trec import write_run

    topics = load_topics(arguments.topics) if arguments.topics else []
    exported = _checked(arguments, topics)
    output = arguments.output
    if arguments.to in ("trec", "msmarco"):
        write_run(output, exported, arguments.to)
    elif arguments.to == "beir":
        write_beir_results(output, exported)
    elif arguments.to == "mteb":
        write_mteb_predictions(output, exported, subset=arguments.mteb_subset, split=arguments.mteb_split)
    elif arguments.to == "tira":
        _write_tira(arguments, exported)
    else:
        _write_requests(arguments, exported, topics)
    rows = sum(map(len, exported.rankings.values()))
    log.info(f"{output}: {len(exported.rankings)} topics, {rows} rows for {arguments.to}")


def _checked(arguments: argparse.Namespace, topics: list[Topic]) -> Run:
    """Read the run as it will be exported, and hold its rows against the rules."""
    from instrerank.trec import Run, ScoredDoc, trec_eval_order
    from instrerank.trec.order import without_ties
    from instrerank.trec.problems import Problems
    from instrerank.trec.runs import parse_run
    from instrerank.trec.submission import PRESETS, Preset, check_submission

    problems = Problems(arguments.run_file)
    rows = list(parse_run(arguments.run_file, problems))
    default = {"trec": "trec", "msmarco": "msmarco-passage"}.get(arguments.to, "")
    # without a preset only the topics count
    preset = PRESETS.get(arguments.preset or default, Preset(documents=len(rows)))
    if arguments.to in ("trec", "msmarco") and (preset.tag is None) != (arguments.to == "msmarco"):
        raise InputError(f"--preset {arguments.preset} is not for --to {arguments.to}: it asks for other columns")
    second_column = "Q0" if preset.tag else ""
    row_of = {(row.qid, row.docid): row._replace(q0=second_column, tag=arguments.runtag or row.tag) for row in rows}
    by_qid: dict[str, list[ScoredDoc]] = {}
    for qid, docid in row_of:
        by_qid.setdefault(qid, []).append(ScoredDoc(docid, row_of[qid, docid].score))
    order = without_ties if arguments.break_ties else trec_eval_order
    rankings = {qid: order(ranking)[: arguments.hits] for qid, ranking in by_qid.items()}
    written = [
        row_of[qid, docid]._replace(rank=rank, score=score)
        for qid, ranking in rankings.items()
        for rank, (docid, score) in enumerate(ranking, start=1)
    ]
    check_submission(written, preset, problems, [topic.qid for topic in topics] or None)
    problems.raise_errors(shown=len(problems.errors))
    return Run(arguments.runtag or rows[0].tag, rankings)


def _write_tira(arguments: argparse.Namespace, exported: Run) -> None:
    from instrerank.integrations.tira import write_tira_folder
    from instrerank.jobs.sidecar import read_sidecar, sidecar_path

    if not sidecar_path(arguments.run_file).exists():
        absent = sidecar_path(arguments.run_file)
        raise InputError(f"TIRA wants metadata, and {absent} is not there: search and rerank write it beside a run")
    if is_standard_stream(arguments.output):
        raise InputError("TIRA wants a folder: name one with --output")
    fields = dict(field.partition("=")[::2] for field in arguments.metadata)
    if not all(fields.values()):
        raise InputError(f"--metadata wants FIELD=VALUE; given {' '.join(arguments.metadata)}")
    write_tira_folder(arguments.output, exported, read_sidecar(arguments.run_file), fields)


def _write_requests(arguments: argparse.Namespace, exported: Run, topics: list[Topic]) -> None:
    from instrerank.integrations.rank_llm import write_requests
    from instrerank.reranking import candidate_docids, select_candidates

    if not topics or not (arguments.corpus or arguments.index):
        raise InputError("rank_llm's requests hold the texts: give --topics, and --corpus or --index")
    hits = arguments.hits or 100
    texts = open_passages_of(arguments).lookup(candidate_docids(exported, hits))
    candidates, _ = select_candidates(exported, topics, texts, hits=hits)
    write_requests(arguments.output, candidates, texts)
