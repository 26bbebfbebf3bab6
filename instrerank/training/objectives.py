"""The InF-Embed objectives (arXiv 2505.21439; forms as in the authors' code): terms combined in two ways.

With s(I, Q, P) = ⟨f(I, Q), g(P)⟩ / τ and anchor i, the negatives of each term are:

    P    p(P | I, Q)   s(I_i, Q_i, P_j)  over the other passages of the batch, including hard negatives
    IQ   p(I, Q | P)   s(I_j, Q_j, P_i)  over the other instruction–query pairs
    I    p(I | Q, P)   s(I_k, Q_i, P_i)  over drawn instructions (marginal negative sampling)
    Q    p(Q | I, P)   s(I_i, Q_k, P_i)  over drawn queries: our extension, symmetric to I

`univariate` is one softmax over the union of all negatives, `multivariate` the sum of one InfoNCE loss per term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch

Term = Literal["P", "IQ", "I", "Q"]
TERMS: tuple[str, ...] = get_args(Term)
DRAWN_TERMS = ("I", "Q")
"""Terms whose candidates are drawn and encoded in addition to the batch's own pairs."""
Form = Literal["uni", "multi"]
FORMS: tuple[str, ...] = get_args(Form)


@dataclass(frozen=True)
class Objective:
    """The objective to minimise.

    Attributes:
        form: "uni" or "multi".
        terms: one or more of `TERMS`.
        temperature: τ.
        self_teaching: weight of the divergence between scores of misspelt and clean queries (`self_teaching`).
    """

    form: Form = "multi"
    terms: tuple[Term, ...] = ("P", "I")
    temperature: float = 0.05
    self_teaching: float = 0.0

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"unknown `form` {self.form!r}. Available: {', '.join(FORMS)}")
        wrong = [term for term in self.terms if term not in TERMS]
        if wrong or not self.terms or len(set(self.terms)) < len(self.terms):
            raise InputError(
                f"`terms` {','.join(self.terms) or '(none)'}: expected one or more of {','.join(TERMS)}, each once"
            )
        if self.temperature <= 0:
            raise InputError(f"`temperature` must be above 0, got {self.temperature:g}")
        if self.self_teaching < 0:
            raise InputError(f"`self_teaching` must be at least 0, got {self.self_teaching:g}")


class Side(NamedTuple):
    """Vectors of one side with identifiers of their texts.

    Attributes:
        vectors: [n, d].
        texts: int64 [n], equal if and only if the texts are equal.
    """

    vectors: torch.Tensor
    texts: torch.Tensor


class Drawn(NamedTuple):
    """Drawn query-side negatives of one term.

    Attributes:
        vectors: [n, y - 1, d].
        real: bool [n, y - 1], False for padding where an anchor has fewer.
    """

    vectors: torch.Tensor
    real: torch.Tensor


def univariate(positive: torch.Tensor, negatives: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return log(1 + Σ over all negatives of exp(s_c − s_ii)) per anchor: one softmax, with the positive counted once.

    Args:
        positive: s_ii, [n].
        negatives: scores by term, each [n, c], −inf where a candidate is masked.

    Returns:
        [n].
    """
    import torch

    scores: torch.Tensor = torch.cat([positive.unsqueeze(1), *negatives], dim=1)
    return scores.logsumexp(1) - positive


def multivariate(positive: torch.Tensor, negatives: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum over terms of log(1 + Σ exp(s_c − s_ii)) per anchor; arguments as for `univariate`."""
    import torch

    return torch.stack([univariate(positive, [scores]) for scores in negatives]).sum(0)


def anchor_losses(
    objective: Objective, queries: Side, passages: Side, first: int, count: int, drawn: Mapping[str, Drawn]
) -> torch.Tensor:
    """Return the loss of some anchors of a batch, without self-teaching.

    Args:
        objective: form, terms and temperature.
        queries: (instruction, query) pairs of all B anchors of the batch, on all devices.
        passages: the B anchors' passages in the same order, then hard negatives, which are used for every anchor.
        first: index of the first anchor to compute.
        count: number n of anchors to compute; their drawn negatives are local.
        drawn: drawn negatives by term, for "I" and "Q" if the objective has them.

    Returns:
        [n]. Candidates known to be relevant are masked: those with the anchor's own text, and those paired with it by
        another triple of the batch.
    """
    anchors, total = slice(first, first + count), len(queries.texts)
    query, passage = queries.vectors[anchors], passages.vectors[anchors]
    positive = (query * passage).sum(1) / objective.temperature
    known = (queries.texts, passages.texts[:total])
    negatives = []
    for term in objective.terms:
        if term == "P":
            scores = query @ passages.vectors.T
            masked = _known(queries.texts[anchors, None], passages.texts, *known)
        elif term == "IQ":
            scores = passage @ queries.vectors.T
            masked = _known(queries.texts, passages.texts[anchors, None], *known)
        else:
            scores = (drawn[term].vectors @ passage.unsqueeze(2)).squeeze(2)
            masked = ~drawn[term].real
        negatives.append((scores / objective.temperature).masked_fill(masked, float("-inf")))
    return (univariate if objective.form == "uni" else multivariate)(positive, negatives)


def _known(
    queries: torch.Tensor, passages: torch.Tensor, known_queries: torch.Tensor, known_passages: torch.Tensor
) -> torch.Tensor:
    """Return which pairs of texts (broadcast) are among the known pairs; texts are identified by hashes."""
    import torch

    # an odd factor keeps two hashes apart; the product may wrap round
    return torch.isin(queries * 0x9E3779B97F4A7C1 + passages, known_queries * 0x9E3779B97F4A7C1 + known_passages)


def self_teaching(
    clean: torch.Tensor, misspelt: torch.Tensor, passages: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the divergence of each misspelt query's scores from the clean ones (Zhuang & Zuccon, arXiv 2204.00716).

    KL(softmax of the clean scores ‖ softmax of the misspelt ones) over the passages of the batch. No
    gradient flows into the clean scores.

    Args:
        clean: vectors of the clean queries, [n, d].
        misspelt: vectors of the same queries with a typo, [n, d].
        passages: vectors of the passages, [c, d].
        temperature: τ.

    Returns:
        [n].
    """
    import torch

    taught = (misspelt @ passages.T / temperature).log_softmax(1)
    teacher = (clean @ passages.T / temperature).log_softmax(1).detach()
    return torch.nn.functional.kl_div(taught, teacher, log_target=True, reduction="none").sum(1)
