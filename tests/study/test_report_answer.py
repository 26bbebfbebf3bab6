"""The sentences of the answer: a verdict only where a test or an interval gives one."""

from dataclasses import replace

import pytest
from markupsafe import Markup

from instrerank.study.report.answer import sentences
from instrerank.study.report.reading import Sourced, Tables, _headline
from instrerank.study.rows import CellMean, FamilyRobustness, Hypothesis, InstructionEffect, RankFlip, Robustness

PAIR = Hypothesis(
    *("e5", "none", "e5", "own", "invariance", "ndcg_cut_10"),
    *(43, 0.05, 0.02, 0.03, 0.01, 0.05, 0.002, 0.004, 0.6, 0.003),
)


def said(hypotheses, **more):
    return [Markup(sentence).striptags() for sentence in sentences(tables_of(hypotheses, **more))]


def tables_of(hypotheses, *, robustness=(), families=(), instructions=()):
    found = [
        [Sourced(row, f"x:{line}") for line, row in enumerate(rows, 2)]
        for rows in (robustness, families, hypotheses, instructions)
    ]
    return Tables("fixed", ("ndcg_cut_10",), [], [], *found, [])


def level(instructions, clean, perturbed):
    change = perturbed - clean
    return FamilyRobustness(
        *("e5", instructions, "invariance", 3, "ndcg_cut_10", clean, perturbed, change, change / clean),
        *(change - 0.01, change + 0.01, 0.1),
    )


def effect(instructions, perturbation, relative, corrected_p, *, in_invariance=True):
    return Robustness(
        *("e5", instructions, perturbation, "typo", "invariance", in_invariance, 1, 1.0, "ndcg_cut_10"),
        *(0.5, 0.5 * (1 + relative), 0.5 * relative, relative, -0.1, 0.1, corrected_p, corrected_p, 0.1),
        *(1, 2, 3, 0.1, None, 0.5, 0.9, 0.9, 0.9),
    )


@pytest.mark.parametrize(
    ("changed", "verdict", "numbers"),
    [
        ({}, "e5 + own is more robust than e5 (significant)", True),
        ({"difference": -0.03}, "e5 is more robust than e5 + own (significant)", True),
        ({"corrected_p": 0.05}, "no significant difference in robustness between e5 and e5 + own", True),
        ({"p": None, "corrected_p": None}, "e5 and e5 + own cannot be tested against each other", False),
        (
            {"difference": 0.0, "low": 0.0, "high": 0.0, "corrected_p": None},
            "e5 and e5 + own lose the same on every topic",
            False,
        ),
    ],
)
def test_verdicts(changed, verdict, numbers):
    (sentence,) = said([PAIR._replace(**changed)])
    assert sentence.startswith(f"nDCG@10: {verdict}. Drop: 0.0500 against 0.0200 over 43 topics")
    assert ("corrected p = " in sentence) == numbers


def test_significant_pairs_come_first_and_those_without_any_difference_share_a_sentence():
    alike = {"difference": 0.0, "low": 0.0, "high": 0.0, "corrected_p": None}
    pairs = [
        PAIR._replace(instructions_b="short", **alike),
        PAIR._replace(instructions_b="long", corrected_p=0.9),
        PAIR._replace(instructions_b="generic", **alike),
        PAIR,
    ]
    first, second, last = said(pairs)
    assert first.startswith("nDCG@10: e5 + own is more robust than e5 (significant)")
    assert second.startswith("nDCG@10: no significant difference in robustness between e5 and e5 + long")
    assert last == (
        "nDCG@10: 2 pairs of systems lose the same on every topic: e5 and e5 + short; e5 and e5 + generic."
    )


def test_the_whole_sentence():
    (sentence,) = said([PAIR], families=[level("none", 0.6, 0.55), level("own", 0.65, 0.63)])
    assert sentence == (
        "nDCG@10: e5 + own is more robust than e5 (significant); e5 + own scores higher on perturbed queries. "
        "e5 goes from 0.6000 (clean) to 0.5500 (perturbed), e5 + own from 0.6500 to 0.6300. "
        "Drop: 0.0500 against 0.0200 over 43 topics, difference +0.0300 (95% CI 0.0100 to 0.0500; "
        "corrected p = 0.0040)."
    )


def test_the_more_robust_system_may_be_the_worse_one():
    (sentence,) = said([PAIR], families=[level("none", 0.8, 0.75), level("own", 0.4, 0.38)])
    assert "e5 + own is more robust than e5 (significant), but e5 scores higher on perturbed queries. " in sentence
    assert "e5 goes from 0.8000 (clean) to 0.7500 (perturbed), e5 + own from 0.4000 to 0.3800." in sentence


def test_cells_that_differ_from_the_verdict_are_named():
    apart = [
        *(effect("none", "typo-swap", -0.216, 0.004), effect("own", "typo-swap", -0.018, 0.9)),
        *(effect("none", "case-lower", -0.02, 0.004), effect("own", "case-lower", -0.01, 0.9)),
    ]
    _, sentence = said([PAIR._replace(corrected_p=0.3)], robustness=apart)
    assert sentence.endswith("But not under every perturbation: typo-swap −21.6%** against −1.8%.")
    # in line with the verdict
    assert "But" not in said([PAIR], robustness=apart)[1]
    # against it
    assert "typo-swap −21.6%**" in said([PAIR._replace(difference=-0.03)], robustness=apart)[1]


def test_what_the_mean_is_over_is_said():
    rows = [
        effect(condition, name, -0.01, 0.9, in_invariance=name == "typo-swap")
        for name in ("typo-swap", "negation", "word-deletion")
        for condition in ("none", "own")
    ]
    assert said([PAIR], robustness=rows)[0] == (
        "“Perturbed” is the mean over 1 perturbation (typo-swap). Excluded: 2 perturbations (negation, "
        "word-deletion), which may change the meaning or change the instruction."
    )


def test_a_pair_that_was_not_run_on_all_perturbations():
    rows = [effect(condition, name, -0.01, 0.9) for name in ("a", "b") for condition in ("none", "own")]
    pairs = [PAIR, PAIR._replace(perturbation="a", corrected_p=0.9)]
    assert "Both were run on 1 of 2 perturbations only: a." in said(pairs, robustness=rows)[1]


def test_recall_that_no_perturbation_changes_is_no_headline():
    cell = CellMean("e5", "none", "clean", None, None, None, 9, 0, "ndcg_cut_10", 0.5, "run")
    cells = [Sourced(cell._replace(measure=measure), "x:2") for measure in ("ndcg_cut_10", "recall_20", "recall_100")]
    still = effect("none", "typo-swap", 0.0, None)
    rows = [still._replace(measure="recall_100"), still._replace(measure="recall_20", difference=-0.1)]
    assert _headline(cells, [Sourced(row, "x:2") for row in rows]) == ("ndcg_cut_10", "recall_20")
    assert _headline(cells, [Sourced(rows[0], "x:2")]) == ("ndcg_cut_10",)


def test_other_perturbations_and_measures_are_no_answer():
    rows = [PAIR._replace(perturbation="typo-swap"), PAIR._replace(measure="map")]
    assert said(rows) == [
        "No meaning-preserving perturbation of the query was run, so nothing can be said on robustness."
    ]


def test_names_are_escaped():
    (sentence,) = sentences(tables_of([PAIR._replace(encoder_b="<i>")]))
    assert "<i>" not in sentence
    assert "&lt;i&gt; + own is more robust" in sentence


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (0.8, -0.76, 2.45, "shows no evidence of following the changed instruction: the interval contains 0"),
        (7.1, 2.8, 11.5, "follows the changed instruction"),
        (-7.1, -11.5, -2.8, "moves against the changed instruction"),
        (0.8, None, None, "cannot be tested with one topic"),
    ],
)
def test_p_mrr_follows_only_if_its_interval_says_so(mean, low, high, verdict):
    row = InstructionEffect("e5", "changed", "p_mrr", 30, mean, low=low, high=high)
    sentence = said([PAIR], instructions=[row])[1]
    assert sentence.startswith(f"p-MRR × 100: e5 {verdict}. ")


def test_what_stays_relevant_and_moves_down_too():
    row = InstructionEffect("e5", "changed", "p_mrr", 30, 7.1, low=2.8, high=11.5)
    kept = row._replace(measure="p_mrr_kept", mean=6.0)
    assert "But passages that stay relevant move down too: 6.0000" in said([PAIR], instructions=[row, kept])[1]


def flip(a, b, probability, *, family="invariance", flipped=False):
    return Sourced(
        RankFlip(a, "none", b, "none", family, 2, 4, "ndcg_cut_10", 43, 0.1, 0.05, flipped, probability), "x:2"
    )


def test_rank_flips_name_the_pairs_most_likely_to_flip():
    flips = [flip("e5", "bm25", 0.02), flip("e5", "bge", 0.61, flipped=True), flip("e5", "bge", 0.9, family="typo")]
    *_, sentence = sentences(replace(tables_of([PAIR]), rank_flips=flips))
    assert sentence.striptags() == (
        "nDCG@10, order of systems: perturbed queries reverse 1 of 2 pairs. Probability that the order on clean "
        "queries flips: e5 above bge 0.6100; e5 above bm25 0.0200."
    )


def test_of_many_rank_flips_three_are_named_and_one_topic_has_no_probability():
    many = [flip("e5", f"b{n}", n / 10) for n in range(5)]
    *_, sentence = sentences(replace(tables_of([PAIR]), rank_flips=many))
    assert sentence.striptags().endswith(
        "reverse none of 5 pairs. Probability that the order on clean queries flips: "
        "e5 above b4 0.4000; e5 above b3 0.3000; e5 above b2 0.2000 (the 3 most likely of 5 pairs)."
    )
    *_, sentence = sentences(replace(tables_of([PAIR]), rank_flips=[flip("e5", "b", None)]))
    assert sentence.striptags().endswith("perturbed queries reverse none of 1 pair.")
