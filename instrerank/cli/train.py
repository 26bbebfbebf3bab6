"""`instrerank train`: rows in, an encoder or a LoRA adapter out."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.cli.inputs import add_passage_arguments, open_passages_of, positive
from instrerank.cli.messages import log, shows_progress
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    from instrerank.encoders.loading import ModelFiles
    from instrerank.encoders.tokenizing import TextTokenizer
    from instrerank.jobs.training_evaluation import RerankingEvaluation
    from instrerank.training.rows import Row
    from instrerank.training.sampling import Sampler
    from instrerank.training.schedule import Habits, Schedule

EPILOG = """examples:
  instrerank train --data rows.jsonl --encoder minilm --lora --output adapters/mine
  instrerank train --data rows.jsonl --encoder minilm --inspect 1
  instrerank train --preset inf-embed --data hf:InF-IR/InF-IR --encoder intfloat/e5-base-v2 --output models/inf-e5
  instrerank train --data constraints --corpus passages.jsonl --encoder minilm --lora --side query --output adapters/x
  torchrun --nproc-per-node 8 -m instrerank train …
"""

PRESETS: dict[str, dict[str, Any]] = {
    "inf-embed": {
        "query_template": "{q} {i}",
        "passage_template": "{d}",
        "max_query_length": 256,
        "max_passage_length": 512,
        "precision": "bfloat16",
    }
}
"""What differs from the defaults, which are those of InF-Embed's code elsewhere (docs/train.md)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--data",
        required=True,
        action="append",
        metavar="FILE|DIR|hf:ID",
        help="rows (JSONL, TSV), a folder of constrain (with --corpus or --index), or a dataset; may be given again",
    )
    add_passage_arguments(parser, required=False)
    parser.add_argument("--encoder", required=True, help="base model: minilm, a Hugging Face id or a folder")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the trained model, its log, checkpoints")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="inf-embed: texts, lengths, precision of the paper")
    parser.add_argument(
        "--inspect", metavar="N", type=positive, help="show N batches as the model sees them, and stop"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this configuration")
    parser.add_argument("--note", default="", metavar="TEXT", help="for the model card, such as the terms of the data")

    objective = parser.add_argument_group("objective")
    objective.add_argument("--objective", choices=("uni", "multi"), default="multi", help="default multi")
    objective.add_argument("--terms", default="P,I", metavar="T,T", help="of P, IQ, I, Q (default P,I)")
    objective.add_argument("--temperature", type=float, default=0.05, help="default 0.05")
    objective.add_argument(
        "--instructions-per-query",
        metavar="Y",
        type=positive,
        help="marginal negative sampling, its own included (default: half the triples of a batch)",
    )
    objective.add_argument(
        "--typos", metavar="P", type=float, default=0.0, help="probability of a typo in a query (default 0)"
    )
    objective.add_argument(
        "--self-teaching",
        metavar="WEIGHT",
        type=float,
        default=0.0,
        help="keep the query and teach its misspelling the same scores (KL), instead of training on the misspelling "
        "(default 0)",
    )

    schedule = parser.add_argument_group("schedule")
    schedule.add_argument(
        "--batch-size", dest="rows_per_batch", metavar="ROWS", type=positive, default=4, help="per device (default 4)"
    )
    schedule.add_argument("--epochs", type=float, default=2.0, help="default 2")
    schedule.add_argument("--max-steps", metavar="N", type=positive, help="stop there")
    schedule.add_argument("--learning-rate", type=float, default=5e-5, help="falls linearly to 0 (default 5e-5)")
    schedule.add_argument("--warmup-steps", metavar="N", type=int, default=0, help="default 0")
    schedule.add_argument("--weight-decay", type=float, default=0.0, help="default 0")
    schedule.add_argument("--seed", type=int, default=42, help="default 42")
    schedule.add_argument(
        "--dtype", dest="precision", choices=("float32", "bfloat16"), help="of the network's computation"
    )
    schedule.add_argument("--device", choices=("auto", "cpu"), default="auto", help="default auto")
    schedule.add_argument("--save-steps", metavar="N", type=positive, default=500, help="default 500")
    schedule.add_argument("--log-steps", metavar="N", type=positive, default=10, help="default 10")
    schedule.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files too")

    model = parser.add_argument_group("model")
    model.add_argument("--lora", action="store_true", help="train an adapter instead of all weights")
    model.add_argument("--rank", metavar="R", type=positive, default=8, help="of the adapter (default 8)")
    model.add_argument("--alpha", metavar="A", type=positive, default=8, help="scale of the adapter (default 8)")
    model.add_argument(
        "--side",
        choices=("both", "query"),
        default="both",
        help="query: passages stay with the base model, so its stored vectors stay valid (with --lora; default both)",
    )
    model.add_argument("--cache-gradients", action="store_true", help="large batches in little memory (GradCache)")
    model.add_argument("--batch-tokens", metavar="N", type=positive, help="tokens computed at once")
    model.add_argument("--pooling", help="mean, cls, last, …: needed for a model that no profile knows")
    model.add_argument("--query-template", metavar="T", help="literal, with {q} and {i}")
    model.add_argument("--passage-template", metavar="T", help="literal, with {d}")
    model.add_argument("--max-query-length", metavar="N", type=positive, help="tokens, special ones included")
    model.add_argument("--max-passage-length", metavar="N", type=positive, help="tokens, special ones included")
    model.add_argument("--query-encoding", choices=("concatenation", "attention"), help="as in rerank")
    model.add_argument(
        "--too-long",
        choices=("error", "skip", "truncate"),
        default="error",
        help="rows with a query and instruction over the length (default error); long passages are cut and counted",
    )
    model.add_argument("--revision", help="revision of a Hugging Face id")

    evaluation = parser.add_argument_group("evaluation at every checkpoint (passages from --corpus or --index)")
    evaluation.add_argument("--evaluate-run", metavar="RUN", type=Path, help="first-stage run, or irds:ID")
    evaluation.add_argument("--evaluate-topics", metavar="T", help="its topics, with or without instructions")
    evaluation.add_argument("--evaluate-qrels", metavar="Q", help="for nDCG@10")
    evaluation.add_argument("--evaluate-constraints", metavar="DIR", type=Path, help="of constrain: for p-MRR")
    evaluation.add_argument("--metric", default="ndcg_cut_10", help="decides: ndcg_cut_10 (default) or p_mrr")
    evaluation.add_argument(
        "--patience", metavar="N", type=positive, help="evaluations without a better one, then stop"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read and check everything, train, and write the model with its card."""
    from instrerank.encoders.loading import find_model
    from instrerank.encoders.tokenizing import load_tokenizer
    from instrerank.training.objectives import Objective
    from instrerank.training.sampling import Sampler

    for name, value in PRESETS.get(arguments.preset, {}).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    objective = Objective(
        arguments.objective, tuple(arguments.terms.split(",")), arguments.temperature, arguments.self_teaching
    )
    sampler = Sampler(objective, arguments.instructions_per_query, arguments.typos, arguments.seed)
    files = find_model(
        arguments.encoder,
        pooling=arguments.pooling,
        query_template=arguments.query_template,
        passage_template=arguments.passage_template,
        query_encoding=arguments.query_encoding,
        revision=arguments.revision,
    )
    files = _with_lengths(files, arguments)
    sources = [(source, _rows(source, arguments)) for source in arguments.data]
    rows = [row for _, each in sources for row in each]
    tokenizer = load_tokenizer(files.layout.network, files.profile)
    rows = _of_good_length(rows, files, tokenizer, arguments.too_long)
    triples = sum(len(row.triples) for row in rows)
    log.info(f"{len(rows)} rows, {triples} triples")
    if arguments.inspect:
        _inspect(rows, sampler, files, tokenizer, arguments)
        return
    if arguments.output is None:
        raise InputError("give --output DIR for the trained model (or --inspect N to look at batches only)")
    _train(arguments, files, rows, sources, sampler)


def _rows(source: str, arguments: argparse.Namespace) -> list[Row]:
    from instrerank.training.rows import constraint_rows, read_rows

    folder = Path(source)
    if not folder.is_dir():
        return read_rows(source)
    if not (arguments.corpus or arguments.index):
        raise InputError(f"{source} names passages by docid: give their texts with --corpus or --index")
    return constraint_rows(folder, open_passages_of(arguments).lookup)


def _with_lengths(files: ModelFiles, arguments: argparse.Namespace) -> ModelFiles:
    from instrerank.encoders.locate import position_limit

    limit = position_limit(files.config) or 10**9
    given = {name: getattr(arguments, name) for name in ("max_query_length", "max_passage_length")}
    longest = max((value for value in given.values() if value), default=0)
    if longest > limit:
        raise InputError(f"{arguments.encoder} reads at most {limit} tokens, not {longest}: give a smaller length")
    return files._replace(profile=replace(files.profile, **{name: value for name, value in given.items() if value}))


def _of_good_length(rows: list[Row], files: ModelFiles, tokenizer: TextTokenizer, policy: str) -> list[Row]:
    from instrerank.training.inspection import too_long
    from instrerank.trec.problems import listed

    long, passages = too_long(rows, files.profile, tokenizer)
    if passages:
        log.warning(f"{passages} passages are cut to {files.profile.max_passage_length} tokens")
    if not long:
        return rows
    names = listed([row.name for row in long])
    what = f"{len(long)} rows have a query and instruction of over {files.profile.max_query_length} tokens: {names}"
    if policy == "error":
        raise InputError(f"{what}; raise --max-query-length, or choose --too-long skip or truncate")
    log.warning(f"{what}; {'left out' if policy == 'skip' else 'cut'}")
    if policy == "truncate":
        return rows
    left_out = set(long)
    kept = [row for row in rows if row not in left_out]
    if not kept:
        raise InputError("no row is left")
    return kept


def _inspect(
    rows: list[Row], sampler: Sampler, files: ModelFiles, tokenizer: TextTokenizer, arguments: argparse.Namespace
) -> None:
    from instrerank.training.inspection import describe_batch

    size = arguments.rows_per_batch
    sampler.check(rows, size)
    for start in range(0, min(len(rows), arguments.inspect * size), size):
        print("\n".join(describe_batch(sampler(rows[start : start + size]), files.profile, tokenizer)))


def _train(
    arguments: argparse.Namespace,
    files: ModelFiles,
    rows: list[Row],
    sources: list[tuple[str, list[Row]]],
    sampler: Sampler,
) -> None:
    import importlib.util

    from instrerank.encoders import LoadOptions
    from instrerank.training.models import Lora, load_trainable, save_trained

    if importlib.util.find_spec("accelerate") is None:
        raise MissingPrerequisiteError("training needs the package accelerate: pip install 'instrerank[train]'")
    from instrerank.jobs.described import described_source
    from instrerank.training.card import model_card
    from instrerank.training.schedule import Habits, Schedule
    from instrerank.training.trainer import train

    if arguments.side == "query" and not arguments.lora:
        raise InputError("--side query trains an adapter: give --lora as well")
    lora = Lora(arguments.rank, arguments.alpha, side=arguments.side) if arguments.lora else None
    arguments.precision, arguments.progress = arguments.precision or "float32", shows_progress()
    schedule, habits = Schedule(**_flags(arguments, Schedule)), Habits(**_flags(arguments, Habits))
    evaluation = _evaluation(arguments)
    model = load_trainable(
        files,
        lora=lora,
        seed=arguments.seed,
        passages=[text for row in rows for triple in row.triples for text in (triple.passage, *triple.negatives)],
        batch_tokens=arguments.batch_tokens,
        cache_gradients=arguments.cache_gradients,
        device=arguments.device,
        store=LoadOptions().store_folder(),
    )
    trainer = train(
        model,
        files,
        rows,
        sampler,
        schedule,
        arguments.output,
        habits=habits,
        configuration={"lora": lora and asdict(lora)},
        evaluate=evaluation,
        resume=arguments.resume,
    )
    if not trainer.args.should_save:
        return
    figures = {"steps": trainer.state.global_step}
    if evaluation:
        figures |= {"best step": trainer.state.best_global_step, arguments.metric: trainer.state.best_metric}
    data = [
        {**described_source(source), "rows": len(each), "triples": sum(len(row.triples) for row in each)}
        for source, each in sources
    ]
    card = model_card(
        base=files.name,
        profile=model.profile,
        sampler=sampler,
        schedule=schedule,
        lora=lora,
        data=data,
        figures=figures,
        note=arguments.note,
    )
    save_trained(model, files, arguments.output, card)
    log.info(f"{arguments.output}: {trainer.state.global_step} steps")


def _flags(arguments: argparse.Namespace, of: type[Schedule] | type[Habits]) -> dict[str, Any]:
    return {field.name: getattr(arguments, field.name) for field in fields(of)}


def _evaluation(arguments: argparse.Namespace) -> RerankingEvaluation | None:
    from instrerank.jobs.training_evaluation import load_evaluation

    given = [arguments.evaluate_run, arguments.evaluate_topics, arguments.evaluate_qrels]
    if not any(given) and not arguments.evaluate_constraints:
        if arguments.patience:
            raise InputError("--patience counts evaluations: give --evaluate-run, --evaluate-topics, --evaluate-qrels")
        return None
    if not all(given) or not (arguments.corpus or arguments.index):
        raise InputError(
            "an evaluation needs --evaluate-run, --evaluate-topics, --evaluate-qrels and --corpus or --index"
        )
    run, topics, qrels = given
    passages, constraints = open_passages_of(arguments), arguments.evaluate_constraints
    return load_evaluation(run, topics, qrels, passages, constraints=constraints, metric=arguments.metric)
