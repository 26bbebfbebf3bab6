"""`instrerank train`: rows in, an encoder or a LoRA adapter out."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import add_passage_arguments, add_writing_arguments, positive
from instrerank.cli.messages import shows_progress

EPILOG = """examples:
  instrerank train --data rows.jsonl --encoder minilm --lora --output adapters/mine
  instrerank train --data rows.jsonl --encoder minilm --inspect 1
  instrerank train --preset inf-embed --data hf:InF-IR/InF-IR --encoder intfloat/e5-base-v2 --output models/inf-e5
  instrerank train --data constraints --corpus passages.jsonl --encoder minilm --lora --side query --output adapters/x
  torchrun --nproc-per-node 8 -m instrerank train …
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb; what is not given is left to `TrainSettings` and the preset."""
    from instrerank.training.schedule import PRESETS

    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "--data",
        required=True,
        action="append",
        metavar="FILE|DIR|hf:ID",
        help="rows (JSONL, TSV), a folder of constrain (with --corpus or --index), or a dataset; repeatable",
    )
    add_passage_arguments(parser, required=False)
    add("--encoder", required=True, help="base model: minilm, a Hugging Face id or a folder")
    add("--output", type=Path, metavar="DIR", help="folder of the trained model, its log and checkpoints")
    add("--preset", choices=sorted(PRESETS), help="inf-embed: templates, lengths and precision of the paper")
    add("--inspect", metavar="N", type=positive, help="show N batches as the model sees them, and stop")
    add_writing_arguments(parser)
    add("--note", metavar="TEXT", help="text for the model card, such as the terms of the data")

    add = parser.add_argument_group("objective").add_argument
    add("--objective", dest="form", choices=("uni", "multi"), help="one softmax, or one for each term (default multi)")
    add("--terms", type=_terms, metavar="T,T", help="terms, of P, IQ, I, Q (default P,I)")
    add("--temperature", type=float, help="temperature of the softmax (default 0.05)")
    add(
        "--instructions-per-query",
        metavar="Y",
        type=positive,
        help="instructions of each query in marginal negative sampling (default: half the triples of a batch)",
    )
    add("--typos", metavar="P", type=float, help="probability of a typo in a query (default 0)")
    teaching = "weight of teaching a misspelling the scores of its query (KL), instead of training on it (default 0)"
    add("--self-teaching", metavar="WEIGHT", type=float, help=teaching)

    add = parser.add_argument_group("schedule").add_argument
    add("--batch-size", metavar="ROWS", type=positive, help="rows in a batch on each device (default 4)")
    add("--epochs", type=float, help="passes over the rows (default 2)")
    add("--max-steps", metavar="N", type=positive, help="number of steps, instead of --epochs")
    add("--learning-rate", type=float, help="highest learning rate; it falls linearly to 0 (default 5e-5)")
    add("--warmup-steps", metavar="N", type=int, help="steps in which the learning rate rises (default 0)")
    add("--weight-decay", type=float, help="weight decay of AdamW (default 0)")
    add("--seed", type=int, help="seed of the order, the draws and new weights (default 42)")
    add("--dtype", choices=("float32", "bfloat16"), help="precision of the network's computation (default float32)")
    add("--device", choices=("auto", "cpu"), help="device to train on (default auto)")
    add("--save-steps", metavar="N", type=positive, help="steps between checkpoints (default 500)")
    add("--log-steps", metavar="N", type=positive, help="steps between entries of the log (default 10)")
    add("--tensorboard", action="store_true", help="write TensorBoard's files too")

    add = parser.add_argument_group("model").add_argument
    add("--lora", action="store_true", help="train an adapter instead of all weights")
    add("--rank", metavar="R", type=positive, help="rank of the adapter (default 8)")
    add("--alpha", metavar="A", type=positive, help="scale of the adapter (default 8)")
    add(
        "--side",
        choices=("both", "query"),
        help="query: passages stay with the base model, so its stored vectors stay valid (with --lora; default both)",
    )
    add("--cache-gradients", action="store_true", help="compute large batches in little memory (GradCache)")
    add("--batch-tokens", metavar="N", type=positive, help="tokens computed at once, padding included")
    add("--pooling", help="mean, cls, last, …: needed for a model that no profile knows")
    add("--query-template", metavar="T", help="text of a query, with {q} and {i}")
    add("--passage-template", metavar="T", help="text of a passage, with {d}")
    add("--max-query-length", metavar="N", type=positive, help="tokens of a query, special ones included")
    add("--max-passage-length", metavar="N", type=positive, help="tokens of a passage, special ones included")
    add(
        "--query-encoding",
        choices=("concatenation", "attention"),
        help="how the instruction joins the query: by the template, or by InF-Embed's attention",
    )
    add(
        "--too-long",
        choices=("error", "skip", "truncate"),
        help="rows that exceed --max-query-length (default error); long passages are truncated and counted",
    )
    add("--revision", help="branch, tag or commit of a Hugging Face id")

    add = parser.add_argument_group("evaluation at every checkpoint (needs --corpus or --index)").add_argument
    add("--evaluate-run", metavar="RUN", help="first-stage run to rerank: a file, or irds:ID")
    add("--evaluate-topics", metavar="T", help="its topics, with or without instructions")
    add("--evaluate-qrels", metavar="Q", help="qrels, for nDCG@10")
    add("--evaluate-constraints", metavar="DIR", type=Path, help="folder of constrain, for p-MRR")
    add("--metric", help="measure that decides which checkpoint is best: ndcg_cut_10 (default) or p_mrr")
    add("--patience", metavar="N", type=positive, help="stop after N evaluations without a better one")


def run(arguments: argparse.Namespace) -> None:
    """Train, or show what would be trained on."""
    from instrerank.jobs.train import inspect, run_train, train_settings

    ours = ("verb", "run", "flags", "log_level", "inspect")
    given = {name: value for name, value in vars(arguments).items() if value is not None and name not in ours}
    settings = train_settings(**given, progress=shows_progress())
    if arguments.inspect:
        print("\n".join(inspect(settings, arguments.inspect)))
    else:
        run_train(settings)


def _terms(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
