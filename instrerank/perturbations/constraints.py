"""Constraint instructions: machine-checkable conditions on passages, chosen to split the relevant ones.

In FollowIR (2403.15246), annotators narrowed TREC narratives by hand; here the narrowing is a rule on the passage
text, so the changed labels of any collection can be generated and verified without annotators. The reversed
instruction asks for exactly what the rule excludes, as required by SICR and WISE of InfoSearch (2410.23841).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from instrerank.errors import InputError
from instrerank.perturbations.base import generator
from instrerank.perturbations.words import LETTERS, is_eligible
from instrerank.trec.types import Qrels, Topic

Instruction = Literal["original", "changed", "reversed"]
"""Instructions without the rule, with it, and with its opposite."""
INSTRUCTIONS: tuple[Instruction, ...] = get_args(Instruction)

ORIGINAL = (
    "A passage is relevant if it answers the query.",
    "Relevant passages give the information that the query asks for.",
    "I am looking for passages that answer this query.",
    "Find passages that help to answer the query.",
)
"""Original instructions for topics that have none of their own."""


@dataclass(frozen=True)
class Rule:
    """A condition on a passage.

    Attributes:
        kind: a key of `KINDS`.
        wanted: True if passages must satisfy the condition, False if they must not.
        term: the word, for `mentions`.
        words: the bound, for `longer`.
    """

    kind: str
    wanted: bool
    term: str = ""
    words: int = 0

    def allows(self, text: str) -> bool:
        """Return whether a passage may be relevant under the rule."""
        return KINDS[self.kind].holds(self, text) == self.wanted

    @property
    def opposite(self) -> Rule:
        """The rule that allows exactly the passages that this one excludes."""
        return replace(self, wanted=not self.wanted)

    @property
    def phrasings(self) -> tuple[str, ...]:
        """Four phrasings of the rule; those of the opposite rule are in the same order."""
        kind = KINDS[self.kind]
        return tuple(
            phrasing.format(term=self.term, words=self.words)
            for phrasing in (kind.must if self.wanted else kind.must_not)
        )


class Kind(NamedTuple):
    """A kind of rule.

    Attributes:
        holds: checks a text.
        must: phrasings for passages that must satisfy it, with {term} and {words}.
        must_not: phrasings for passages that must not.
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
    """Return the four phrasings that require a feature and the four that exclude it; `that` takes the verb with s."""
    must = (
        f"Only passages that {verb} {what} are relevant.",
        f"To be relevant, a passage must {verb} {what}.",
        f"Please leave out every passage that does not {verb} {what}.",
        f"I can only use passages that {verb} {what}; all others are not relevant.",
    )
    must_not = (
        f"Passages that {verb} {what} are not relevant.",
        f"To be relevant, a passage must not {verb} {what}.",
        f"Please leave out every passage that {verb}s {what}.",
        f"I cannot use passages that {verb} {what}; they are not relevant.",
    )
    return must, must_not


KINDS: dict[str, Kind] = {
    "mentions": Kind(_mentions, *_feature('the word "{term}"')),
    "number": Kind(_pattern(r"[0-9]"), *_feature("a number written in digits")),
    "year": Kind(
        _pattern(r"(?<![\w.,$€£])(1[0-9]{3}|20[0-9]{2})(?![\w%]|[.,][0-9])"),
        *_feature("a year in four digits (1000 to 2099)", "mention"),
    ),
    "percentage": Kind(_pattern(r"[0-9]\s?(%|percent\b)"), *_feature("a percentage", "state")),
    "money": Kind(_pattern(r"[$€£]\s?[0-9]"), *_feature("an amount of money with a $, € or £ sign", "state")),
    "question": Kind(_pattern(r"\?"), *_feature("a question mark")),
    "brackets": Kind(_pattern(r"\([^()]+\)"), *_feature("text in parentheses")),
    "quotation": Kind(_pattern(r'"[^"]+"|“[^”]+”'), *_feature("text in double quotation marks")),
    "address": Kind(
        _pattern(r"(?i)\b(you|your|yours|yourself)\b"), *_feature('to the reader directly ("you", "your")', "speak")
    ),
    "first person": Kind(
        _pattern(r"\b(I|my|me|We|we|our|us)\b"),
        *_feature('a first-person pronoun ("I", "me", "my", "we", "us", "our")'),
    ),
    "example": Kind(
        _pattern(r"(?i)\b(for example|for instance|e\.g\.|such as)"),
        *_feature('"for example", "for instance", "e.g." or "such as"'),
    ),
    "longer": Kind(
        lambda rule, text: len(text.split()) > rule.words,
        (
            "Only passages of more than {words} words are relevant.",
            "To be relevant, a passage must have more than {words} words.",
            "Please leave out every passage of {words} words or fewer.",
            "I need detailed passages: those of {words} words or fewer are not relevant.",
        ),
        (
            "Only passages of at most {words} words are relevant.",
            "To be relevant, a passage must not have more than {words} words.",
            "Please leave out every passage of more than {words} words.",
            "I need short passages: those of more than {words} words are not relevant.",
        ),
    ),
}


class Constraint(NamedTuple):
    """A topic's rule and its effect on the topic's relevant passages.

    Attributes:
        qid: the topic.
        rule: the condition.
        original: the instruction without the rule.
        changed: the instruction with the rule, in the drawn phrasing.
        reversed: the instruction with the opposite rule, in the same phrasing.
        kept: relevant docids that the rule allows.
        dropped: relevant docids that stop being relevant under the rule.
    """

    qid: str
    rule: Rule
    original: str
    changed: str
    reversed: str
    kept: tuple[str, ...]
    dropped: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return the record for `constraints.jsonl`, with all phrasings of the changed instruction."""
        phrasings = [f"{self.original} {phrasing}" for phrasing in self.rule.phrasings]
        return {
            "qid": self.qid,
            "rule": {
                name: value for name, value in asdict(self.rule).items() if value not in ("", 0) or name == "wanted"
            },
            "original": self.original,
            "changed": self.changed,
            "reversed": self.reversed,
            "phrasings": phrasings,
            "kept": list(self.kept),
            "dropped": list(self.dropped),
        }


def candidate_rules(query: str, texts: Sequence[str], least_share: float) -> list[Rule]:
    """Return candidate rules for the relevant passages of a query, in a fixed order.

    Terms are eligible words of at least four letters that do not occur in the query, and occur in a fraction of the
    passages between `least_share` and 1 - `least_share`.
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
    """Choose a rule for each topic that splits its relevant passages, seeded by (seed, qid).

    A kind of rule is drawn from those that split well, then one of its six most balanced rules, so that rules vary
    across topics.

    Args:
            topics: queries; a topic's own instruction is kept and narrowed by the rule.
            qrels: grades.
            texts: passage texts by docid; relevant passages without text are excluded.
            seed: seed of the draw.
            relevance_level: minimum grade that counts as relevant.
            least_share: minimum fraction of the relevant passages that a rule must keep, and must drop.

    Returns:
            The constraints in topic order, and the reasons for topics without one, by qid.

    Raises:
            InputError: a share outside (0, 0.5], or a relevance level less than 1.
    """
    if not 0 < least_share <= 0.5:
        raise InputError(f"`least_share` must be above 0 and at most 0.5, got {least_share:g}")
    if relevance_level < 1:
        raise InputError(f"`relevance_level` must be at least 1, got {relevance_level}")
    constraints, without = [], {}
    for topic in topics:
        grades = qrels.get(topic.qid, {})
        relevant = sorted(docid for docid, grade in grades.items() if grade >= relevance_level and docid in texts)
        if len(relevant) < 2:
            without[topic.qid] = f"{len(relevant)} relevant passages with text, but a split needs at least 2"
            continue
        rng = generator(seed, "constrain", topic.qid)
        chosen = _choose(topic, relevant, texts, least_share, rng)
        if chosen is None:
            without[topic.qid] = f"no rule splits its {len(relevant)} relevant passages well enough"
            continue
        rule, kept = chosen
        original = _sentence(topic.instruction) or rng.choice(ORIGINAL)
        dropped = tuple(docid for docid in relevant if docid not in kept)
        changed, opposite = (
            f"{original} {phrasing}"
            for phrasing in rng.choice(list(zip(rule.phrasings, rule.opposite.phrasings, strict=True)))
        )
        constraints.append(Constraint(topic.qid, rule, original, changed, opposite, kept, dropped))
    return constraints, without


def _sentence(instruction: str) -> str:
    """Return an instruction on one line that ends with a punctuation mark, so that a sentence can be appended."""
    instruction = " ".join(instruction.split())
    ended = re.search(r"[.!?…][\"”’)\]]*$", instruction)
    return instruction if ended or not instruction else f"{instruction}."


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


def constrained_qrels(
    constraints: Sequence[Constraint], qrels: Qrels, texts: Mapping[str, str]
) -> dict[Instruction, Qrels]:
    """Return the qrels of the constrained topics under each instruction.

    Under the changed instruction, every positive grade becomes 0 if its passage breaks the rule, even grades below the
    relevance level; under the reversed one, if its passage satisfies the rule. Positive grades of passages
    without text cannot be verified and are excluded from all three.
    """
    found: dict[Instruction, Qrels] = {name: {} for name in INSTRUCTIONS}
    for constraint in constraints:
        grades = {docid: grade for docid, grade in qrels[constraint.qid].items() if grade <= 0 or docid in texts}
        for name in INSTRUCTIONS:
            found[name][constraint.qid] = {
                docid: _grade(name, grade, constraint.rule, texts.get(docid, "")) for docid, grade in grades.items()
            }
    return found


def _grade(instruction: Instruction, grade: int, rule: Rule, text: str) -> int:
    """Return the grade of a passage under an instruction."""
    if grade <= 0 or instruction == "original":
        return grade
    return grade if rule.allows(text) == (instruction == "changed") else 0


def verify(
    records: Sequence[Mapping[str, Any]], qrels: Mapping[Instruction, Qrels], texts: Mapping[str, str]
) -> list[str]:
    """Check every label of written constraints against the texts, by the recorded rule.

    Args:
        records: records of `constraints.jsonl`.
        qrels: `qrels.<instruction>.txt` by instruction.
        texts: passage texts by docid.

    Returns:
        One line per problem; empty if all labels are correct.
    """
    problems = []
    for record in records:
        qid, rule = record["qid"], Rule(**record["rule"])
        original = qrels["original"][qid]
        for name in ("changed", "reversed"):
            labels = qrels[name][qid]
            if original.keys() != labels.keys():
                problems.append(f"{qid}: the original and the {name} qrels contain different passages")
            for docid, grade in original.items():
                wanted = _grade(name, grade, rule, texts.get(docid, ""))
                if labels.get(docid) != wanted:
                    problems.append(
                        f"{qid} {docid}: {name} grade is {labels.get(docid)}, but {wanted} according to the rule"
                    )
        for name, allowed in (("kept", True), ("dropped", False)):
            problems += [
                f"{qid} {docid}: wrongly {name}" for docid in record[name] if rule.allows(texts[docid]) != allowed
            ]
    return problems
