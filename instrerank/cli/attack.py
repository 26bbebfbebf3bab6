"""`instrerank attack`: the queries, or the passages, that hurt an encoder's ranking most."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.cli.inputs import (
    add_encoder_arguments,
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_topics_argument,
    load_encoder_of,
    load_topics_of,
    open_passages_of,
    positive,
    print_passages_to_encode,
)
from instrerank.cli.messages import log, shows_progress
from instrerank.errors import InputError

if TYPE_CHECKING:
    from instrerank.encoders import Encoder
    from instrerank.perturbations import Perturbation
    from instrerank.perturbations.attack import Budget, Objective, Target
    from instrerank.trec import Qrels, Topic

EPILOG = """examples:
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --objective ndcg_cut.10 --qrels qrels.txt --budget edits=2,candidates=500 --strategy beam
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --passages query:start --qrels qrels.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--run", dest="run_file", metavar="RUN", required=True, type=Path, help="first-stage run, or irds:ID"
    )
    add_topics_argument(parser)
    add_passage_arguments(parser)
    parser.add_argument(
        "--encoder", required=True, help="the victim: minilm, instrerank-minilm, a Hugging Face id or a folder"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the query set")
    parser.add_argument("--instructions", metavar="FILE", help="instructions by qid")
    parser.add_argument("--hits", type=positive, default=100, help="candidates ranked for each topic (default 100)")
    parser.add_argument(
        "--perturbation",
        default="typo-mixed",
        help="makes the candidates (default typo-mixed; typo-mixed:on=instruction attacks the instruction)",
    )
    parser.add_argument(
        "--strategy",
        choices=("greedy", "beam", "worst"),
        default="greedy",
        help="greedy: edit the words that matter most, keep the best; beam: go on from the best few; worst: the worst "
        "of random draws (default greedy)",
    )
    parser.add_argument(
        "--budget",
        type=parse_budget,
        default="edits=1,candidates=200",
        help="for each topic (default edits=1,candidates=200; also beam=5)",
    )
    parser.add_argument(
        "--objective",
        default="overlap",
        help="overlap with the clean ranking's top 10 (default), or a measure such as ndcg_cut.10, an oracle that "
        "needs --qrels",
    )
    parser.add_argument(
        "--passages",
        metavar="WHAT[:PLACE]",
        help="inject into one grade-0 candidate of each topic instead: query, keywords, task, criterion or role; "
        "start (default), middle, end or random; needs --qrels",
    )
    add_qrels_argument(parser, required=False)
    add_relevance_argument(parser)
    parser.add_argument("--seed", type=int, default=1, help="draws the candidates (default 1)")
    parser.add_argument("--source", help="names the topics in the files (default: from the name of --topics)")
    parser.add_argument("--dry-run", action="store_true", help="read everything, say what would be done, and stop")
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Attack queries (or instructions), or passages."""
    from instrerank.collections import load_qrels
    from instrerank.files import check_writable
    from instrerank.perturbations import resolve
    from instrerank.perturbations.querysets import check_topics, source_name

    perturbation = resolve(arguments.perturbation)
    if (arguments.objective != "overlap" or arguments.passages) and not arguments.qrels:
        raise InputError("an oracle objective and --passages need --qrels; --objective overlap does not")
    if not arguments.dry_run:
        check_writable(arguments.output / "any")
    topics = load_topics_of(arguments)
    check_topics(topics)
    attacks_instructions = perturbation.changes == "instruction" and not arguments.passages
    if attacks_instructions and not any(topic.instruction for topic in topics):
        raise InputError("no topic has an instruction to attack; give --instructions FILE")
    qrels = load_qrels(arguments.qrels) if arguments.qrels else {}
    arguments.source = arguments.source or source_name(arguments.topics)
    docids, texts = _candidates(arguments, topics)
    encoder = load_encoder_of(arguments)
    if arguments.dry_run:
        tried = "" if arguments.passages else f" clean and up to {len(topics) * arguments.budget.candidates} perturbed"
        print(f"{len(topics)} topics, {sum(map(len, docids.values()))} candidates")
        print_passages_to_encode(encoder, list(texts.values()), f"{len(topics)}{tried}")
        print(f"to write: a query set in {arguments.output}")
        return
    targets = _targets(encoder, topics, docids, texts)
    if arguments.passages:
        _attack_passages(arguments, encoder, targets, texts, qrels)
    else:
        _attack_queries(arguments, encoder, perturbation, targets, qrels)


def _candidates(
    arguments: argparse.Namespace, topics: Sequence[Topic]
) -> tuple[dict[str, list[str]], Mapping[str, str]]:
    """Return the candidates of each topic, and the texts of all of them."""
    from instrerank.collections import load_run
    from instrerank.trec.problems import listed

    rankings = load_run(arguments.run_file, keep_first_duplicate=True).rankings
    without = [topic.qid for topic in topics if not rankings.get(topic.qid)]
    if without:
        raise InputError(f"{arguments.run_file} has no candidates for topics {listed(without)}")
    docids = {topic.qid: [hit.docid for hit in rankings[topic.qid][: arguments.hits]] for topic in topics}
    every = list(dict.fromkeys(docid for some in docids.values() for docid in some))
    texts = open_passages_of(arguments).lookup(every)
    textless = [docid for docid in every if not texts.get(docid, "").strip()]
    if textless:
        raise InputError(f"{len(textless)} candidates have no text in the passages: {listed(textless)}")
    return docids, texts


def _targets(
    encoder: Encoder, topics: Sequence[Topic], docids: Mapping[str, list[str]], texts: Mapping[str, str]
) -> list[Target]:
    """Encode each candidate passage once."""
    from instrerank.perturbations.attack import Target

    vectors = encoder.encode_passages(list(texts.values()), progress=shows_progress()).vectors
    row = {docid: number for number, docid in enumerate(texts)}
    return [Target(topic, docids[topic.qid], vectors[[row[docid] for docid in docids[topic.qid]]]) for topic in topics]


def _attack_queries(
    arguments: argparse.Namespace,
    encoder: Encoder,
    perturbation: Perturbation,
    targets: Sequence[Target],
    qrels: Qrels,
) -> None:
    from tqdm import tqdm

    from instrerank.perturbations import QuerySet, write_query_set
    from instrerank.perturbations.attack import Attack
    from instrerank.version import __version__

    objective = _objective(arguments, encoder, targets, qrels)
    attack = Attack(
        encoder,
        perturbation,
        objective,
        strategy=arguments.strategy,
        budget=arguments.budget,
        seed=arguments.seed,
    )
    started = time.perf_counter()
    found = [attack(target) for target in tqdm(targets, "attack", unit="topic", disable=not shows_progress())]
    seconds = time.perf_counter() - started
    candidates = sum(one.candidates for one in found)
    oracle = arguments.objective != "overlap"
    label = arguments.objective.replace(".", "-").replace("_", "-")
    provenance = {
        "source": arguments.source,
        "perturbation": f"attack by {perturbation.name}",
        "family": "attack",
        "expects": perturbation.expects,
        "changes": perturbation.changes,
        "needs_review": perturbation.needs_review,
        "seed": arguments.seed,
        "instrerank": __version__,
        "encoder": arguments.encoder,
        "strategy": arguments.strategy,
        "budget": arguments.budget._asdict(),
        "objective": f"oracle: {arguments.objective}" if oracle else "overlap",
        "topics": len(found),
        "changed": sum(one.perturbed.changed for one in found),
        "candidates": candidates,
        "mean of the objective, clean": round(sum(one.clean for one in found) / len(found), 4),
        "mean of the objective, attacked": round(sum(one.worst for one in found) / len(found), 4),
    }
    name = f"{arguments.source}.attack-{arguments.strategy}-{label}-{perturbation.name}.s{arguments.seed}"
    paths = write_query_set(arguments.output, QuerySet(name, tuple(one.perturbed for one in found), provenance))
    _write_record(arguments.output / f"querysets.{name}.jsonl", {"name": name} | provenance)
    log.info(
        f"{paths[0]}: {provenance['changed']} of {len(found)} topics changed; mean "
        f"{'ORACLE ' + arguments.objective if oracle else 'overlap@10 with the clean ranking'} "
        f"{provenance['mean of the objective, clean']:.4f} -> {provenance['mean of the objective, attacked']:.4f}; "
        f"{candidates} candidates in {seconds:.1f} s, {candidates / seconds:.0f} a second"
    )


def _objective(arguments: argparse.Namespace, encoder: Encoder, targets: Sequence[Target], qrels: Qrels) -> Objective:
    from instrerank.perturbations.attack import least_overlap, rankings

    if arguments.objective != "overlap":
        return _measured(qrels, arguments.objective, arguments.relevance_level)
    topics = [target.topic for target in targets]
    clean = encoder.encode_queries([topic.text for topic in topics], [topic.instruction for topic in topics]).vectors
    ranked = [rankings(target, vector[None])[0] for target, vector in zip(targets, clean, strict=True)]
    return least_overlap({topic.qid: ranking for topic, ranking in zip(topics, ranked, strict=True)})


def _measured(qrels: Qrels, measure: str, relevance_level: int) -> Objective:
    """Return the oracle: a trec_eval measure of each ranking, 0 for a topic without judgements."""
    from instrerank.evaluation.measures import evaluate
    from instrerank.trec import Run, ScoredDoc

    def value(qid: str, found: Sequence[Sequence[str]]) -> list[float]:
        if qid not in qrels:
            return [0.0] * len(found)
        # the rankings stand as topics of one run, so that trec_eval is called once
        run = Run(
            "attack",
            {str(n): [ScoredDoc(docid, -rank) for rank, docid in enumerate(one)] for n, one in enumerate(found)},
        )
        judged = {str(n): qrels[qid] for n in range(len(found))}
        per_query = evaluate(run, judged, [measure], relevance_level=relevance_level).per_query
        return [next(iter(per_query[str(n)].values())) for n in range(len(found))]

    return value


def _attack_passages(
    arguments: argparse.Namespace,
    encoder: Encoder,
    targets: Sequence[Target],
    texts: Mapping[str, str],
    qrels: Qrels,
) -> None:
    from instrerank.files import whole_file
    from instrerank.perturbations.passages import attack_passages, attack_success, choose_victims

    what, _, place = arguments.passages.partition(":")
    victims = choose_victims({target.topic.qid: target.docids for target in targets}, qrels, arguments.seed)
    injected = attack_passages(targets, victims, texts, encoder, what, place or "start", arguments.seed)
    level = arguments.relevance_level
    success = attack_success(
        injected.clean, injected.attacked, victims, lambda qid, docid: qrels[qid].get(docid, 0) >= level
    )
    name = f"{arguments.source}.injection-{what}-{place or 'start'}.s{arguments.seed}"
    path = arguments.output / f"passages.{name}.jsonl"
    with whole_file(path) as file:
        for qid, passage in injected.passages.items():
            record = {
                "id": passage.docid,
                "contents": passage.text,
                "qid": qid,
                "original": texts[passage.docid],
                "rank": injected.clean[qid].index(passage.docid) + 1,
                "rank_injected": injected.attacked[qid].index(passage.docid) + 1,
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    log.info(
        f"{path}: {success.passages} grade-0 passages injected, {len(targets) - success.passages} topics have none "
        f"among their candidates; attack success rate: {success.risen:.3f} rose, {success.into_top:.3f} entered the "
        f"top 10, {success.beats_relevant:.3f} passed a relevant passage"
    )


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    from instrerank.files import whole_file

    with whole_file(path) as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def parse_budget(text: str) -> Budget:
    """Return the budget of `edits=1,candidates=200,beam=5`; what is not said keeps its default.

    Raises:
        argparse.ArgumentTypeError: another key, or no whole number from 1 on.
    """
    from instrerank.perturbations.attack import Budget

    given = dict(part.partition("=")[::2] for part in text.split(","))
    if not given.keys() <= set(Budget._fields) or not all(v.isdecimal() and int(v) > 0 for v in given.values()):
        raise argparse.ArgumentTypeError(f"{text!r}: give edits=N, candidates=N, beam=N, each at least 1")
    return Budget(**{key: int(value) for key, value in given.items()})
