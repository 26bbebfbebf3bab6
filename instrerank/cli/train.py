"""`instrerank train`: train an encoder or a LoRA adapter."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import ENCODERS, add_passage_arguments, add_writing_arguments, positive
from instrerank.cli.loading import add_loading_arguments
from instrerank.cli.messages import shows_progress
from instrerank.errors import InputError

EPILOG = """examples:
  instrerank train --data rows.jsonl --encoder minilm --lora --output adapters/mine
  instrerank train --data rows.jsonl --encoder minilm --inspect 1
  instrerank train --preset inf-embed --data hf:InF-IR/InF-IR --encoder intfloat/e5-base-v2 --output models/inf-e5
  instrerank train --data constraints --corpus passages.jsonl --encoder minilm --lora --side query --output adapters/x
  instrerank train --recipe recipes/instrerank_minilm/recipe.yaml --data DIR --encoder minilm --output adapters/mine
  torchrun --nproc-per-node 8 -m instrerank train …
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb; those not given are left to the preset and `TrainSettings`."""
    from instrerank.training.schedule import PRESETS

    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "--data",
        required=True,
        action="append",
        metavar="FILE|DIR|hf:ID",
        help="training data: a file of rows (JSONL, TSV), a folder written by constrain (with --corpus or --index), "
        "or a Hugging Face dataset; repeatable",
    )
    add(
        "--recipe",
        metavar="FILE",
        help="train query-side adapters on vectors by this YAML file (docs/train.md); --data is the folder with its "
        "collections (default: train on rows with InF-Embed's objective)",
    )
    add_passage_arguments(parser, required=False)
    add("--encoder", required=True, help=f"base model: {ENCODERS}")
    add("--output", type=Path, metavar="DIR", help="folder for the trained model, its log and checkpoints")
    add("--preset", choices=sorted(PRESETS), help="settings of a paper: inf-embed sets templates, lengths and dtype")
    add("--inspect", metavar="N", type=positive, help="print the first N batches as the model sees them, and exit")
    add_writing_arguments(parser)
    add("--note", metavar="TEXT", help="text to add to the model card, such as the licence of the data")

    add = parser.add_argument_group("objective").add_argument
    add("--objective", dest="form", choices=("uni", "multi"), help="one softmax, or one per term (default multi)")
    add("--terms", type=_terms, metavar="T,T", help="terms of the loss, from P, IQ, I, Q (default P,I)")
    add("--temperature", type=float, help="softmax temperature (default 0.05)")
    add(
        "--instructions-per-query",
        metavar="Y",
        type=positive,
        help="instructions per query in marginal negative sampling (default: half the triples of a batch)",
    )
    add("--typos", metavar="P", type=float, help="probability of a typo in a query (default 0)")
    add(
        "--self-teaching",
        metavar="WEIGHT",
        type=float,
        help="weight of the self-teaching loss: the KL divergence between the scores of a misspelt query and those of "
        "the clean query, which replaces training on the misspelt query (default 0)",
    )

    add = parser.add_argument_group("schedule").add_argument
    add("--batch-size", metavar="ROWS", type=positive, help="rows per batch and device (default 4)")
    add("--epochs", type=float, help="number of passes over the rows (default 2)")
    add("--max-steps", metavar="N", type=positive, help="number of training steps (default: set by --epochs)")
    add("--learning-rate", type=float, help="peak learning rate, decayed linearly to 0 (default 5e-5)")
    add("--warmup-steps", metavar="N", type=int, help="number of warm-up steps (default 0)")
    add("--weight-decay", type=float, help="weight decay of AdamW (default 0)")
    add("--seed", type=int, help="random seed for data order, sampling and new weights (default 42)")
    add(
        "--dtype", choices=("float32", "bfloat16"), help="precision of the forward and backward pass (default float32)"
    )
    add("--device", choices=("auto", "cpu"), help="device to train on (default auto)")
    add("--save-steps", metavar="N", type=positive, help="steps between checkpoints (default 500)")
    add("--log-steps", metavar="N", type=positive, help="steps between log entries (default 10)")
    add("--tensorboard", action="store_true", help="also write TensorBoard logs")

    model = parser.add_argument_group("model")
    add = model.add_argument
    add("--lora", action="store_true", help="train a LoRA adapter instead of all weights")
    add("--rank", metavar="R", type=positive, help="rank of the adapter (default 8)")
    add("--alpha", metavar="A", type=positive, help="alpha of the adapter (default 8)")
    add(
        "--side",
        choices=("both", "query"),
        help="side that the adapter of --lora applies to; with query, passages are encoded by the base model, so "
        "that its stored vectors stay valid (default both)",
    )
    add("--cache-gradients", action="store_true", help="train with large batches in little memory (GradCache)")
    add_loading_arguments(model, "batch_tokens", "pooling", "query_template", "passage_template")
    add_loading_arguments(model, "max_query_length", "max_passage_length", "query_encoding")
    add(
        "--too-long",
        choices=("error", "skip", "truncate"),
        help="what to do with rows whose query exceeds --max-query-length; long passages are always truncated and "
        "counted (default error)",
    )
    add_loading_arguments(model, "revision")

    add = parser.add_argument_group("evaluation at each checkpoint (needs --corpus or --index)").add_argument
    add("--evaluate-run", metavar="RUN", help="first-stage run to rerank: a file, irds:ID, or mteb:TASK")
    add("--evaluate-topics", metavar="T", help="topics of that run, with or without instructions")
    add("--evaluate-qrels", metavar="Q", help="qrels of that run, for nDCG@10")
    add("--evaluate-constraints", metavar="DIR", type=Path, help="folder written by constrain, for p-MRR")
    add("--metric", help="measure that selects the best checkpoint: ndcg_cut_10 or p_mrr (default ndcg_cut_10)")
    add(
        "--patience",
        metavar="N",
        type=positive,
        help="stop after N evaluations without improvement (default: never)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train, or print the first batches."""
    from instrerank.jobs.train import inspect, run_train, train_settings
    from instrerank.jobs.train_vectors import run_train_vectors, train_vectors_settings

    ours = ("verb", "run", "flags", "log_level", "inspect")
    flags = {name: value for name, value in vars(arguments).items() if name not in ours}
    # what was not given is None, or False for a switch; 0 was given
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    given["progress"] = shows_progress()
    if arguments.recipe is not None:
        if arguments.inspect:
            raise InputError("--inspect shows batches of rows: leave it out with --recipe")
        run_train_vectors(train_vectors_settings(**given))
        return
    settings = train_settings(**given)
    if arguments.inspect:
        print("\n".join(inspect(settings, arguments.inspect)))
    else:
        run_train(settings)


def _terms(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
