"""Batches: what is drawn, what is never drawn, and how much has to be encoded."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.training.objectives import Objective
from instrerank.training.rows import Row, Triple
from instrerank.training.sampling import Sampler


def inf_ir(at):
    """A row as InF-IR expands: a and c share the instruction, a and b the query."""
    a = Triple(f"q{at}", f"i{at}", f"p{at}")
    return Row(f"rows:{at}", (a, Triple(f"q{at}", f"bad i{at}", f"n{at}"), Triple(f"bad q{at}", f"i{at}", f"m{at}")))


ROWS = [inf_ir(at) for at in range(4)]


def drawn_texts(batch, term="I", field=1):
    return [[batch.pairs[at][field] for at in negatives] for negatives in batch.drawn[term]]


def test_the_poisoned_sibling_is_always_drawn_and_the_own_text_never():
    for seed in range(20):
        batch = Sampler(Objective(), 4, seed=seed)(ROWS)
        assert len(batch.queries) == 12
        for at, negatives in enumerate(drawn_texts(batch)):
            row, place = divmod(at, 3)
            sibling = f"i{row}" if place == 1 else f"bad i{row}"
            own = f"bad i{row}" if place == 1 else f"i{row}"
            assert negatives[0] == sibling
            assert len(negatives) == len(set(negatives)) == 3 and own not in negatives


def test_drawn_pairs_keep_the_anchors_query():
    batch = Sampler(Objective(), 4)(ROWS)
    for anchor, negatives in zip(batch.queries, batch.drawn["I"], strict=True):
        assert {batch.pairs[at][0] for at in negatives} == {batch.pairs[anchor][0]}


def test_query_negatives_mirror_instruction_negatives():
    batch = Sampler(Objective(terms=("P", "Q")), 3)(ROWS)
    for anchor, negatives in zip(batch.queries, batch.drawn["Q"], strict=True):
        assert {batch.pairs[at][1] for at in negatives} == {batch.pairs[anchor][1]} and len(negatives) == 2
    assert drawn_texts(batch, "Q", 0)[0][0] == "bad q0"


@given(st.integers(1, 8), st.integers(2, 9), st.integers(0, 99))
def test_encodings_are_counted_and_never_b_squared(rows, y, seed):
    batch = Sampler(Objective(), y, seed=seed)([inf_ir(at) for at in range(rows)])
    b = 3 * rows
    drawn = sum(map(len, batch.drawn["I"]))
    assert drawn == b * min(y - 1, 2 * rows - 1)
    # (I-, Q+) of a and of (I+, Q+) of b are each other's own pairs
    assert len(batch.pairs) <= b + drawn - 2 * rows <= b + b * (y - 1)
    assert len(batch.passages) == b


def test_half_the_batch_is_the_papers_number_of_instructions():
    assert {len(negatives) for negatives in Sampler(Objective())(ROWS).drawn["I"]} == {5}


def test_instructions_of_the_same_query_and_passage_are_no_negatives():
    """InstructIR: several people's instructions, one answer."""
    rows = [Row(str(at), (Triple("q", f"i{at}", "p"),)) for at in range(3)] + [Row("x", (Triple("r", "j", "s"),))]
    drawn = drawn_texts(Sampler(Objective(), 9)(rows))
    assert drawn[:3] == [["j"]] * 3 and sorted(drawn[3]) == ["i0", "i1", "i2"]


def test_empty_instructions_are_neither_drawn_nor_contrasted():
    rows = [Row("a", (Triple("q", "", "p"),)), Row("b", (Triple("r", "i", "s"),)), Row("c", (Triple("t", "j", "u"),))]
    assert drawn_texts(Sampler(Objective(), 5)(rows)) == [[], ["j"], ["i"]]


def test_texts_stand_once_and_hard_negatives_are_kept():
    rows = [
        Row("a", (Triple("q", "i", "p", ("n", "s")),)),
        Row("b", (Triple("q", "i", "s", ("n",)), Triple("r", "i", "p"))),
    ]
    batch = Sampler(Objective(terms=("P",)))(rows)
    assert batch.pairs == [("q", "i"), ("r", "i")] and batch.queries == [0, 0, 1]
    assert batch.passages == ["p", "s", "n"]
    assert batch.positives == [0, 1, 0] and batch.hard_negatives == [2, 1]
    assert batch.drawn == {} and batch.misspelt == [] and batch.rows == ("a", "b")


WORDY = [
    Row(f"w{at}", (Triple(f"lighthouse keeper {at}", "i", "p"), Triple(f"lighthouse keeper {at}", "j", "n")))
    for at in range(20)
]


def test_typos_take_the_place_of_the_query_in_the_whole_row():
    batch = Sampler(Objective(), typos=0.5)(WORDY)
    queries = [batch.pairs[at][0] for at in batch.queries]
    assert queries[::2] == queries[1::2]
    assert 4 < sum(query != f"lighthouse keeper {at}" for at, query in enumerate(queries[::2])) < 16
    assert batch.misspelt == []


def test_self_teaching_keeps_the_query_and_adds_its_misspelling():
    batch = Sampler(Objective(self_teaching=1.0), typos=0.5)(WORDY)
    assert [batch.pairs[at][0] for at in batch.queries[::2]] == [row.triples[0].query for row in WORDY]
    changed = sum(one != other for one, other in zip(batch.queries, batch.misspelt, strict=True))
    assert 8 < changed < 32 and changed % 2 == 0
    assert all(
        batch.pairs[one][1] == batch.pairs[other][1] for one, other in zip(batch.queries, batch.misspelt, strict=True)
    )


def test_the_same_batch_whatever_the_hash_seed():
    code = "from test_sampling import *\nprint(Sampler(Objective(terms=('P', 'I', 'Q')), 4, typos=0.5)(ROWS))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1 and "Batch(" in printed.pop()


def test_another_batch_draws_otherwise():
    batches = [Sampler(Objective(), 3)(random.Random(seed).sample(ROWS, 4)) for seed in range(5)]
    assert len({str(drawn_texts(batch)) for batch in batches}) > 1


def test_a_batch_too_small_for_its_instructions_is_refused():
    with pytest.raises(InputError, match="a batch of 2 rows has at most 4 distinct"):
        Sampler(Objective(), 5).check(ROWS, 2)
    Sampler(Objective(), 4).check(ROWS, 2)
    Sampler(Objective(terms=("P",)), 5).check(ROWS, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"instructions_per_query": 1}, "at least 2"),
        ({"typos": 1.5}, "between 0 and 1"),
        ({"objective": Objective(self_teaching=1.0)}, "set `typos`"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Sampler(**{"objective": Objective(), **arguments})
