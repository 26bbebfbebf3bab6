"""The sentences of the answer: a verdict only where a test gives one."""

import pytest
from markupsafe import Markup

from instrerank.study.report.answer import sentences
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import Hypothesis, InstructionEffect

PAIR = Hypothesis(
    *("e5", "none", "e5", "own", "invariance", "ndcg_cut_10"),
    *(43, 0.05, 0.02, 0.03, 0.01, 0.05, 0.002, 0.004, 0.6, 0.003),
)


def said(*rows, instructions=()):
    return [Markup(sentence).striptags() for sentence in sentences(tables_of(rows, instructions))]


def tables_of(hypotheses, instructions=()):
    found = ([Sourced(row, f"x:{line}") for line, row in enumerate(rows, 2)] for rows in (hypotheses, instructions))
    return Tables("fixed", ("ndcg_cut_10",), [], [], [], [], *found, [])


@pytest.mark.parametrize(
    ("changed", "verdict", "numbers"),
    [
        ({}, "e5 + own is more robust than e5 (significant)", True),
        ({"difference": -0.03}, "e5 is more robust than e5 + own (significant)", True),
        ({"corrected_p": 0.05}, "no significant difference between e5 and e5 + own", True),
        ({"p": None, "corrected_p": None}, "e5 and e5 + own cannot be tested against each other", False),
        (
            {"difference": 0.0, "low": 0.0, "high": 0.0, "corrected_p": None},
            "e5 and e5 + own lose the same on every topic",
            False,
        ),
    ],
)
def test_verdicts(changed, verdict, numbers):
    (sentence,) = said(PAIR._replace(**changed))
    start = f"nDCG@10: {verdict}. Perturbed queries cost e5 0.0500 and e5 + own 0.0200 on average over 43 topics"
    assert sentence.startswith(start)
    assert ("corrected p = " in sentence) == numbers


def test_the_whole_sentence():
    assert said(PAIR)[0].endswith(
        "over 43 topics, a difference of +0.0300 (95% interval 0.0100 to 0.0500; corrected p = 0.0040)."
    )


def test_other_perturbations_and_measures_are_no_answer():
    rows = [PAIR._replace(perturbation="typo-swap"), PAIR._replace(measure="map")]
    assert said(*rows) == [
        "No perturbation that should leave the ranking alone was run, so there is no drop to tell of."
    ]


def test_names_are_escaped():
    (sentence,) = sentences(tables_of([PAIR._replace(encoder_b="<i>")]))
    assert "<i>" not in sentence
    assert "&lt;i&gt; + own is more robust" in sentence


def test_p_mrr_is_part_of_the_answer():
    row = InstructionEffect("e5", "changed", "p_mrr", 30, -7.1, low=-11.5, high=-2.8)
    assert said(PAIR, instructions=[row])[1] == (
        "p-MRR × 100: e5 has −7.1000 (95% interval −11.5000 to −2.8000; 30 topics); above 0, it follows the change."
    )
