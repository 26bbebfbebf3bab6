"""Constraint instructions: conditions on passages that a program can check, chosen to split what is relevant.

FollowIR (2403.15246) had people narrow TREC narratives by hand; here the narrowing is a rule on the passage text, so
that the changed labels of any collection can be made, and verified, without an annotator.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.perturbations.base import generator
from instrerank.perturbations.words import LETTERS, is_eligible
from instrerank.trec.types import Qrels, Topic

ORIGINAL = (
    "A passage is relevant if it answers the query.",
    "Relevant passages give the information that the query asks for.",
    "I am looking for passages that answer this query.",
    "Find passages that help to answer the query.",
)
"""The instruction before the change, for topics that have none of their own."""


@dataclass(frozen=True)
class Rule:
    """A condition on a passage.

    Attributes:
        kind: a key of `KINDS`.
        wanted: True where passages must satisfy it, False where they must not.
        term: the word, for `mentions`.
        words: the bound, for `longer`.
    """

    kind: str
    wanted: bool
    term: str = ""
    words: int = 0

    def allows(self, text: str) -> bool:
        """Whether a passage may be relevant under the rule."""
        return KINDS[self.kind].holds(self, text) == self.wanted

    @property
    def phrasings(self) -> tuple[str, ...]:
        """The rule in words, several ways."""
        kind = KINDS[self.kind]
        return tuple(
            phrasing.format(term=self.term, words=self.words)
            for phrasing in (kind.must if self.wanted else kind.must_not)
        )


class Kind(NamedTuple):
    """A kind of rule.

    Attributes:
        holds: checks a text.
        must: phrasings where passages must satisfy it, with {term} and {words}.
        must_not: phrasings where they must not.
    """

    holds: Callable[[Rule, str], bool]
    must: tuple[str, ...]
    must_not: tuple[str, ...]


def _pattern(pattern: str) -> Callable[[Rule, str], bool]:
    compiled = re.compile(pattern)
    return lambda rule, text: compiled.search(text) is not None


def _mentions(rule: Rule, text: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(rule.term)}(?![^\W_])", text, re.IGNORECASE) is not None


def _feature(what: str, verb: str = "contain") -> tuple[tuple[str, ...], tuple[str, ...]]:
    must = (
        f"Only passages that {verb} {what} are relevant.",
        f"To be relevant, a passage must {verb} {what}.",
        f"Please leave out every passage that does not {verb} {what}.",
        f"I can only use passages that {verb} {what}; all others are not relevant.",
    )
    must_not = (
        f"Passages that {verb} {what} are not relevant.",
        f"To be relevant, a passage must not {verb} {what}.",
        f"Please leave out every passage that would {verb} {what}.",
        f"I cannot use passages that {verb} {what}; they are not relevant.",
    )
    return must, must_not


KINDS: dict[str, Kind] = {
    "mentions": Kind(_mentions, *_feature('the word "{term}"', "mention")),
    "number": Kind(_pattern(r"[0-9]"), *_feature("a number written in digits")),
    "year": Kind(
        _pattern(r"(?<![\w.,$€£])(1[0-9]{3}|20[0-9]{2})(?![\w%]|[.,][0-9])"),
        *_feature("a year, in four digits from 1000 to 2099", "name"),
    ),
    "percentage": Kind(_pattern(r"[0-9]\s?(%|percent\b)"), *_feature("a percentage", "state")),
    "money": Kind(_pattern(r"[$€£]\s?[0-9]"), *_feature("an amount of money with a currency sign", "state")),
    "question": Kind(_pattern(r"\?"), *_feature("a question with its question mark", "ask")),
    "brackets": Kind(_pattern(r"\([^()]+\)"), *_feature("a remark in round brackets")),
    "quotation": Kind(_pattern(r'"[^"]+"|“[^”]+”'), *_feature("words in double quotation marks")),
    "address": Kind(_pattern(r"(?i)\b(you|your|yours|yourself)\b"), *_feature("the reader as “you”", "address")),
    "first person": Kind(_pattern(r"\b(I|my|me|We|we|our|us)\b"), *_feature("words such as “I”, “we” or “my”", "use")),
    "example": Kind(
        _pattern(r"(?i)\b(for example|for instance|e\.g\.|such as)"),
        *_feature("“for example”, “for instance”, “e.g.” or “such as”"),
    ),
    "longer": Kind(
        lambda rule, text: len(text.split()) > rule.words,
        (
            "Only passages of more than {words} words are relevant.",
            "To be relevant, a passage must have more than {words} words.",
            "Please leave out every passage of {words} words or fewer.",
            "I need detail: passages of {words} words or fewer are not relevant.",
        ),
        (
            "Only passages of at most {words} words are relevant.",
            "To be relevant, a passage must not have more than {words} words.",
            "Please leave out every passage of more than {words} words.",
            "I need it short: passages of more than {words} words are not relevant.",
        ),
    ),
}


class Constraint(NamedTuple):
    """A topic's rule and what it does to the topic's relevant passages.

    Attributes:
        qid: the topic.
        rule: the condition.
        original: the instruction without it.
        changed: the instruction with it, in the phrasing drawn.
        kept: relevant docids that stay so.
        dropped: relevant docids that stop being so.
    """

    qid: str
    rule: Rule
    original: str
    changed: str
    kept: tuple[str, ...]
    dropped: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return it as a JSON object, all phrasings included."""
        phrasings = [f"{self.original} {phrasing}" for phrasing in self.rule.phrasings]
        return {
            "qid": self.qid,
            "rule": {
                name: value for name, value in asdict(self.rule).items() if value not in ("", 0) or name == "wanted"
            },
            "original": self.original,
            "changed": self.changed,
            "phrasings": phrasings,
            "kept": list(self.kept),
            "dropped": list(self.dropped),
        }


def candidate_rules(query: str, texts: Sequence[str], least_share: float) -> list[Rule]:
    """Return the rules worth trying on the relevant passages of a query, in a fixed order.

    Terms are eligible words of four letters or more that the query does not name, in a share of the passages from
    `least_share` to 1 - `least_share`.
    """
    frequency = Counter(
        word for text in texts for word in {match[0].lower() for match in LETTERS.finditer(text)} if word.isascii()
    )
    in_query = {match[0].lower() for match in LETTERS.finditer(query)}
    rules = [
        Rule("mentions", wanted, term=term)
        for term, count in sorted(frequency.items())
        if least_share <= count / len(texts) <= 1 - least_share
        and len(term) >= 4
        and is_eligible(term)
        and term not in in_query
        for wanted in (True, False)
    ]
    lengths = sorted({10 * (len(text.split()) // 10) for text in texts} - {0})
    rules += [Rule("longer", wanted, words=words) for words in lengths for wanted in (True, False)]
    features = [kind for kind in KINDS if kind not in ("mentions", "longer")]
    return rules + [Rule(kind, wanted) for kind in features for wanted in (True, False)]


def constrain(
    topics: Sequence[Topic],
    qrels: Qrels,
    texts: Mapping[str, str],
    seed: int = 1,
    *,
    relevance_level: int = 1,
    least_share: float = 0.3,
) -> tuple[list[Constraint], dict[str, str]]:
    """Choose for each topic a rule that splits its relevant passages, seeded by (seed, qid).

    A kind of rule is drawn among those that split well, then one of its six best balanced rules, so that
    topics differ in their rules.

    Args:
        topics: queries; an instruction of their own is kept and narrowed.
        qrels: grades.
        texts: passage text by docid; relevant passages without text take no part.
        seed: the draw.
        relevance_level: least grade that counts as relevant.
        least_share: of the relevant passages, so many at least must stay and so many at least must go.

    Returns:
        The constraints in topic order, and by qid the reason why a topic has none.

    Raises:
        InputError: a share outside (0, 0.5], or a level below 1.
    """
    if not 0 < least_share <= 0.5 or relevance_level < 1:
        raise InputError(f"share {least_share:g}, level {relevance_level}: a share in (0, 0.5] and a level from 1 on")
    constraints, without = [], {}
    for topic in topics:
        grades = qrels.get(topic.qid, {})
        relevant = sorted(docid for docid, grade in grades.items() if grade >= relevance_level and docid in texts)
        if len(relevant) < 2:
            without[topic.qid] = f"{len(relevant)} relevant passages with a text; a split needs two"
            continue
        rng = generator(seed, "constrain", topic.qid)
        chosen = _choose(topic, relevant, texts, least_share, rng)
        if chosen is None:
            without[topic.qid] = f"no rule splits its {len(relevant)} relevant passages well enough"
            continue
        rule, kept = chosen
        original = topic.instruction or rng.choice(ORIGINAL)
        dropped = tuple(docid for docid in relevant if docid not in kept)
        changed = f"{original} {rng.choice(rule.phrasings)}"
        constraints.append(Constraint(topic.qid, rule, original, changed, kept, dropped))
    return constraints, without


def _choose(
    topic: Topic, relevant: Sequence[str], texts: Mapping[str, str], least_share: float, rng: random.Random
) -> tuple[Rule, tuple[str, ...]] | None:
    splits: dict[str, list[tuple[float, Rule, tuple[str, ...]]]] = {}
    for rule in candidate_rules(topic.text, [texts[docid] for docid in relevant], least_share):
        kept = tuple(docid for docid in relevant if rule.allows(texts[docid]))
        share = len(kept) / len(relevant)
        if min(share, 1 - share) >= least_share:
            splits.setdefault(rule.kind, []).append((abs(share - 0.5), rule, kept))
    if not splits:
        return None
    best = sorted(splits[rng.choice(sorted(splits))], key=lambda split: split[0])[:6]
    _, rule, kept = rng.choice(best)
    return rule, kept


def changed_qrels(constraints: Sequence[Constraint], qrels: Qrels, texts: Mapping[str, str]) -> tuple[Qrels, Qrels]:
    """Return the qrels of the constrained topics before and after.

    Every positive grade whose passage the rule does not allow becomes 0, grades below the relevance level too.
    Positive grades without text cannot be verified and are left out of both.
    """
    original: Qrels = {}
    changed: Qrels = {}
    for constraint in constraints:
        grades = {docid: grade for docid, grade in qrels[constraint.qid].items() if grade <= 0 or docid in texts}
        original[constraint.qid] = grades
        changed[constraint.qid] = {
            docid: grade if grade <= 0 or constraint.rule.allows(texts[docid]) else 0
            for docid, grade in grades.items()
        }
    return original, changed


def verify(
    records: Sequence[Mapping[str, Any]], original: Qrels, changed: Qrels, texts: Mapping[str, str]
) -> list[str]:
    """Check every label of written constraints against the texts by the recorded rule.

    Args:
        records: lines of `constraints.jsonl`.
        original: `qrels.original.txt`.
        changed: `qrels.changed.txt`.
        texts: passage text by docid.

    Returns:
        What is wrong, one line each; empty when all labels hold.
    """
    problems = []
    for record in records:
        qid, rule = record["qid"], Rule(**record["rule"])
        if original[qid].keys() != changed[qid].keys():
            problems.append(f"{qid}: the two qrels judge different passages")
        for docid, grade in original[qid].items():
            wanted = grade if grade <= 0 or rule.allows(texts[docid]) else 0
            if changed[qid].get(docid) != wanted:
                problems.append(f"{qid} {docid}: grade {changed[qid].get(docid)}, by the rule {wanted}")
        for name, allowed in (("kept", True), ("dropped", False)):
            problems += [
                f"{qid} {docid}: wrongly {name}" for docid in record[name] if rule.allows(texts[docid]) != allowed
            ]
    return problems
