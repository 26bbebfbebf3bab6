"""What an instruction should make of a query's vector: the base model's vector, moved by arithmetic.

For a rule on passages the move is a direction in which passages that satisfy it score higher than others: Fisher's
linear discriminant over the base model's passage vectors, scaled so that the two means are 1 apart.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from instrerank.perturbations.constraints import KINDS, Rule
from instrerank.perturbations.words import is_eligible

Vectors = NDArray[np.float32]
LEAST_PASSAGES = 12
"""Passages that must mention a word before its direction counts."""
SHRINKAGE = 0.2
"""Share of the mean variance that is added to every direction's own before the covariance is inverted."""
FEATURES = tuple(kind for kind in KINDS if kind not in ("mentions", "longer"))
_WORD = re.compile(r"[^\W\d_]+")


def words_of(text: str) -> set[str]:
    """Return the words of a passage that a rule may ask for."""
    return {word for word in _WORD.findall(text.lower()) if len(word) >= 4 and word.isascii() and is_eligible(word)}


class Teacher:
    """Passages and their vectors [n, d], float32, with a direction for every rule."""

    def __init__(self, texts: Sequence[str], vectors: Vectors):
        self.vectors = vectors
        self.words = [words_of(text) for text in texts]
        self.lengths = np.array([len(text.split()) for text in texts])
        self.features = np.array([[KINDS[kind].holds(Rule(kind, True), text) for kind in FEATURES] for text in texts])
        self.vocabulary = {word: at for at, word in enumerate(sorted(set().union(*self.words)))}
        rows = np.repeat(np.arange(len(texts)), [len(words) for words in self.words])
        columns = [self.vocabulary[word] for words in self.words for word in sorted(words)]
        mentions = sparse.csc_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)), (len(texts), len(self.vocabulary))
        )
        self.counts = np.diff(mentions.indptr)
        self.mean = vectors.mean(0)
        covariance = np.cov(vectors.T)
        variance = np.trace(covariance) / len(covariance)
        # SciPy's, since NumPy's takes 3 MB of stack, which a thread does not have everywhere, and so kills the process
        self._inverse = linalg.inv(covariance + SHRINKAGE * variance * np.eye(len(covariance))).astype(np.float32)
        self._sums = np.asarray(mentions.T @ vectors)
        longer = (np.log(self.lengths) - np.log(self.lengths).mean()) @ (vectors - self.mean) / len(texts)
        self._longer = self._inverse @ longer / np.log(2) ** 2  # a passage twice as long scores about 1 more
        self._of_features: dict[int, Vectors] = {}

    def _discriminant(self, has: NDArray[np.float32] | int, total: Vectors) -> Vectors:
        n = has if isinstance(has, int) else int(has.sum())
        apart = total / n - (self.mean * len(self.vectors) - total) / (len(self.vectors) - n)
        direction = self._inverse @ apart
        scaled: Vectors = direction / (direction @ apart)
        return scaled

    def direction(self, rule: Rule) -> Vectors:
        """Return float32 [d]."""
        if rule.kind == "longer":
            longer: Vectors = self._longer
            return longer
        if rule.kind != "mentions":
            at = FEATURES.index(rule.kind)
            if at not in self._of_features:
                has = self.features[:, at].astype(np.float32)
                self._of_features[at] = self._discriminant(has, has @ self.vectors)
            return self._of_features[at]
        at = self.vocabulary[rule.term]
        return self._discriminant(int(self.counts[at]), self._sums[at])

    def rules(self, query: str, best: NDArray[np.int64], rng: random.Random) -> list[Rule]:
        """Draw up to two words, two features and now and then a length that split the best passages of a query [k]."""
        asked = set(_WORD.findall(query.lower()))
        counts: dict[str, int] = {}
        for row in best:
            for word in self.words[row] - asked:
                counts[word] = counts.get(word, 0) + 1
        low, high = 0.2 * len(best), 0.8 * len(best)
        terms = sorted(
            word
            for word, count in counts.items()
            if low <= count <= high and self.counts[self.vocabulary[word]] >= LEAST_PASSAGES
        )
        found = [Rule("mentions", True, term=term) for term in rng.sample(terms, min(2, len(terms)))]
        kinds = [kind for kind in FEATURES if low <= self.features[best, FEATURES.index(kind)].sum() <= high]
        found += [Rule(kind, True) for kind in rng.sample(kinds, min(2, len(kinds)))]
        if rng.random() < 0.3:
            found.append(Rule("longer", True, words=10 * int(np.median(self.lengths[best]) // 10)))
        return found
