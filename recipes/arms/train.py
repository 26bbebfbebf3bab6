"""Train the arms of the question whether instruction following makes a retriever robust (docs/findings.md).

python recipes/arms/train.py --data DATA --rows ROWS --output work/arms [--encoder minilm] [--seeds 1,2] [--only ARM …]

One base, one adapter for all queries, the same number of steps and texts, draws of the same passages and queries;
what differs is what the adapter learns. `infembed` learns from passages that answer (`rows.jsonl` of
recipes/instrerank_minilm/rows.py), the others from vectors.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from instrerank import train, train_vectors
from instrerank.training.vectors.recipe import AdapterRecipe, Draws, Recipe, read_recipe

SHIPPED = Path(__file__).parents[1] / "instrerank_minilm" / "recipe.yaml"
QUERIES = 8000
CLEAN = 0.15
ARMS = {
    "denoise": {"draws": Draws(clean=CLEAN, noisy=0.6, injected=0.25)},
    "obey": {"draws": Draws(clean=CLEAN, rule=0.6, neutral=0.25), "noisy_queries": 0.0, "injected_queries": 0.0},
    "both": {"draws": Draws(clean=CLEAN, noisy=0.3, injected=0.125, rule=0.3, neutral=0.125)},
    "placebo": {
        "draws": Draws(clean=CLEAN, rule=0.6, neutral=0.25),
        **{"noisy_queries": 0.0, "injected_queries": 0.0, "swapped": True},
    },
}


def arm(name: str, given: argparse.Namespace, seed: int) -> Recipe:
    """Return the recipe of an arm that learns from vectors."""
    part = AdapterRecipe(
        steps=given.steps,
        batch_size=given.texts,
        learning_rate=1e-3,
        warmup_steps=given.steps // 10,
        move=given.move,
        **ARMS[name],
    )
    recipe = read_recipe(SHIPPED)
    return replace(
        recipe,
        passages=tuple(given.passages or recipe.passages),
        made_queries=QUERIES,
        query_template=given.query_template,
        temperature=given.temperature,
        seed=seed,
        bare=None,
        instructed=part,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=Path, help="for infembed")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--query-template", default="{q} [SEP] {i}", help="for E5: 'query: {q} </s> {i}'")
    parser.add_argument("--passages", nargs="+", help="instead of the shipped recipe's: for a large model")
    parser.add_argument(
        "--temperature", type=float, default=0.05, help="for E5, whose cosines lie close together: 0.01"
    )
    parser.add_argument("--move", type=float, default=0.2, help="for E5: 0.05")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--texts", type=int, default=128, help="of a step")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--only", nargs="*", choices=[*ARMS, "infembed"], default=[*ARMS, "infembed"])
    arguments = parser.parse_args()
    for seed in map(int, arguments.seeds.split(",")):
        for name in arguments.only:
            output = arguments.output / f"{name}-{seed}"
            if (output / "instrerank.json").exists():
                continue
            if name != "infembed":
                train_vectors(arm(name, arguments, seed), arguments.data, arguments.encoder, output, resume=True)
                continue
            # a row has one pair, and one more instruction is drawn for it: at most `texts` query-side texts a step
            train(
                arguments.rows,
                arguments.encoder,
                output,
                lora=True,
                side="query",
                rank=22,
                batch_size=arguments.texts // 2,
                instructions_per_query=2,
                max_steps=arguments.steps,
                learning_rate=1e-3,
                warmup_steps=arguments.steps // 10,
                query_template=arguments.query_template,
                too_long="truncate",
                seed=seed,
            )


if __name__ == "__main__":
    main()
