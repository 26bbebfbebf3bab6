"""The recipes that are kept in recipes/."""

import runpy
from argparse import Namespace
from pathlib import Path

import pytest

from instrerank.training.vectors.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def test_what_ships_has_two_adapters():
    assert set(read_recipe(RECIPES / "instrerank_minilm" / "recipe.yaml").adapters) == {"bare", "instructed"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("multilingual_e5_small", {"query_template": "query: {q} </s> {i}", "temperature": 0.01, "move": 0.05}),
        ("all_mpnet_base", {"passages": ["dl22/passages.jsonl.gz"], "steps": 50, "texts": 64}),
    ],
)
def test_two_adapters_of_other_bases_are_the_arms(name, changes):
    """Fails when the one command does not train what recipes/arms/train.py trains."""
    arm = runpy.run_path(str(RECIPES / "arms" / "train.py"))["arm"]
    flags = {"query_template": "{q} </s> {i}", "temperature": 0.05, "move": 0.2, "passages": None}
    given = Namespace(**{**flags, "steps": 150, "texts": 128, **changes})
    both = read_recipe(RECIPES / "arms" / f"{name}.yaml")
    apart = {"bare", "instructed", "note"}
    for key, trained in (("bare", "denoise"), ("instructed", "obey")):
        alone = arm(trained, given, both.seed)
        # these are of queries beside an instruction, and `denoise` has none
        unused = {"noisy_queries", "injected_queries", "move"} if key == "bare" else set()
        assert without(getattr(both, key), unused) == without(alone.instructed, unused)
        assert without(both, apart) == without(alone, apart)


def without(recipe, keys):
    return {key: value for key, value in vars(recipe).items() if key not in keys}
