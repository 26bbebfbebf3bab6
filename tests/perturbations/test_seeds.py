"""Seeds as people write them."""

import pytest

from instrerank.errors import InputError
from instrerank.perturbations.seeds import seeds_of


@pytest.mark.parametrize(
    ("given", "seeds"),
    [(3, [3]), ("1,2,2", [1, 2]), ("1..3,7", [1, 2, 3, 7]), (range(1, 4), [1, 2, 3]), ((5, 5), [5])],
)
def test_seeds(given, seeds):
    assert seeds_of(given) == seeds


@pytest.mark.parametrize("given", ["", "a", "3..1", "1-3", [], [-1], [1, "2"], [True], True, 1.5, None, "0..99999"])
def test_no_seeds(given):
    with pytest.raises(InputError, match="`seeds` must be"):
        seeds_of(given)
