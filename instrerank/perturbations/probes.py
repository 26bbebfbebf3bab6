"""Probes for shortcuts: pairs of passages made from relevant ones, of which one has what a ranker may fall for.

After ColDeR (Fayyaz et al., ACL 2025, 2503.05037), which asks for brevity, early answers, repetition, literal matches
and a foil with all of them, and PosIR (2601.08363), which asks for the position of the answer; there over annotated
data, here by program over any collection. The sentence with the answer is taken to be the one that shares most words
with the query (`sentences.py`).
"""

from __future__ import annotations

import difflib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from instrerank.errors import InputError
from instrerank.perturbations.base import generator
from instrerank.perturbations.morphology import other_number
from instrerank.perturbations.sentences import answer_sentence, content_words, sentences
from instrerank.perturbations.synonyms import REVIEWED
from instrerank.perturbations.words import eligible, is_eligible, with_case_of
from instrerank.perturbations.wrong_facts import names_in, wrong_fact
from instrerank.trec.types import Qrels, Topic

FAMILY = "probe"
"""The family of all probes, and the beginning of their names."""

PER_TOPIC = 5
"""Relevant passages of a topic that are probed, unless asked otherwise."""

_NAMES = 100
"""Names of other passages from which those of a topic's foils are drawn."""

ProbeExpectation = Literal["invariance", "directional"]
"""`invariance`: the shortcut should not matter, a win rate of 0.5; `directional`: it should lose, a win rate of 0."""


class Skipped(Exception):
    """A passage that a probe cannot be made from; the message is the reason, as it is counted."""


class Variants(NamedTuple):
    """Two passages for one query: `shortcut` has what the probe is about, `plain` does not; `note` says how."""

    plain: str
    shortcut: str
    note: str = ""


@dataclass(frozen=True)
class _Case:
    """A relevant passage, cut into sentences, one of which is taken to have the answer."""

    query: str
    text: str
    parts: list[str]
    answer: int
    names: Sequence[str]

    @property
    def sentence(self) -> str:
        return self.parts[self.answer]

    @property
    def others(self) -> list[str]:
        """The sentences without the answer.

        Raises:
            Skipped: there are none.
        """
        if len(self.parts) < 2:
            raise Skipped("a single sentence")
        return self.parts[: self.answer] + self.parts[self.answer + 1 :]


@dataclass(frozen=True)
class Probe:
    """A probe.

    Attributes:
        name: `probe-…`.
        expects: what should happen to the score of the shortcut.
        summary: one-line description for lists.
    """

    name: str
    expects: ProbeExpectation
    summary: str
    make: Callable[[_Case, random.Random], Variants] = field(repr=False)


PROBES: dict[str, Probe] = {}


def _probe(
    name: str, expects: ProbeExpectation
) -> Callable[[Callable[[_Case, random.Random], Variants]], Callable[[_Case, random.Random], Variants]]:
    def keep(make: Callable[[_Case, random.Random], Variants]) -> Callable[[_Case, random.Random], Variants]:
        PROBES[name] = Probe(name, expects, (make.__doc__ or "").strip(), make)
        return make

    return keep


@_probe("probe-brevity", "invariance")
def _brevity(case: _Case, rng: random.Random) -> Variants:
    """The sentence with the answer alone, against the whole passage."""
    _ = case.others
    return Variants(case.text, case.sentence)


@_probe("probe-position", "invariance")
def _position(case: _Case, rng: random.Random) -> Variants:
    """The sentence with the answer first, against the same sentence last."""
    return Variants(" ".join([*case.others, case.sentence]), " ".join([case.sentence, *case.others]))


@_probe("probe-repetition", "invariance")
def _repetition(case: _Case, rng: random.Random) -> Variants:
    """The sentence with the answer three times, against once."""
    return Variants(case.text, " ".join([case.text, case.sentence, case.sentence]))


@_probe("probe-overlap", "invariance")
def _overlap(case: _Case, rng: random.Random) -> Variants:
    """The passage with the query's own words, against synonyms and other forms of them."""
    asked = content_words(case.query)
    swaps: dict[str, str] = {}
    plain, end = [], 0
    for start, stop in eligible(case.text):
        word = case.text[start:stop]
        if word.lower() not in asked:
            continue
        other = _in_other_words(word, case.text[stop:], rng)
        if other:
            plain += [case.text[end:start], swaps.setdefault(word, other)]
            end = stop
    if not plain:
        raise Skipped("no synonym and no other form of a query word")
    changed = ", ".join(f"{word} → {other}" for word, other in swaps.items())
    return Variants("".join([*plain, case.text[end:]]), case.text, changed)


def _in_other_words(word: str, following: str, rng: random.Random) -> str | None:
    """Return a reviewed synonym of a word, or its other number where it looks like the head of a noun phrase."""
    synonyms = REVIEWED.get(word.lower())
    if synonyms:
        return with_case_of(rng.choice(synonyms), word)
    next_word = re.match(r"[\s-]+([^\W\d_]+)", following)
    modifies = following[:1] in ("'", "’") or (next_word is not None and is_eligible(next_word[1]))
    return None if modifies or not (word.isascii() and word.islower()) else other_number(word)


@_probe("probe-wrong-fact", "directional")
def _wrong_fact(case: _Case, rng: random.Random) -> Variants:
    """A wrong fact in the sentence with the answer, against the passage."""
    wrong = _made_wrong(case, rng)
    return Variants(case.text, wrong[0], wrong[2])


@_probe("probe-foil", "directional")
def _foil(case: _Case, rng: random.Random) -> Variants:
    """The query and the sentence with a wrong fact: short, early, repeated, literal and wrong, against the passage."""
    _, sentence, kind = _made_wrong(case, rng)
    return Variants(case.text, f"{case.query.strip()} {sentence}", kind)


def _made_wrong(case: _Case, rng: random.Random) -> tuple[str, str, str]:
    """Return the passage and its answer sentence with a wrong fact, and the kind of fact."""
    wrong = wrong_fact(case.text, case.sentence, case.query, case.names, rng)
    if wrong is None:
        raise Skipped("no fact to change in the sentence with the answer")
    return wrong.text, wrong.sentence, wrong.kind


class ProbePair(NamedTuple):
    """A probe of one relevant passage.

    Attributes:
        qid: of the topic.
        docid: of the relevant passage.
        probe: name of the probe.
        seed: of its draws.
        plain: text without the shortcut.
        shortcut: text with it.
        note: what was changed, where the texts do not show it at once.
    """

    qid: str
    docid: str
    probe: str
    seed: int
    plain: str
    shortcut: str
    note: str

    @property
    def docids(self) -> tuple[str, str]:
        """The docids of plain and shortcut, distinct among all pairs."""
        stem = f"{self.docid}.{self.probe}.s{self.seed}.{self.qid}"
        return f"{stem}.plain", f"{stem}.shortcut"


class Probed(NamedTuple):
    """The pairs of some probes, and what no pair could be made of.

    Attributes:
        pairs: by topic, passage and probe.
        skipped: number of passages by (probe, reason).
    """

    pairs: list[ProbePair]
    skipped: Counter[tuple[str, str]]

    def skipped_of(self, probe: str) -> int:
        """Return how many passages a probe could not be made from."""
        return sum(count for (name, _), count in self.skipped.items() if name == probe)


def resolve_probes(names: Iterable[str]) -> list[Probe]:
    """Return probes by name; `all` and `probe` are all of them.

    Raises:
        InputError: an unknown name; the message lists the nearest and all.
    """
    chosen: dict[str, Probe] = {}
    for name in names:
        if "+" in name:
            raise InputError(f"{name}: probes cannot be composed, each makes a pair of passages of its own")
        if name not in ("all", FAMILY, *PROBES):
            near = difflib.get_close_matches(name, PROBES, n=2, cutoff=0.4)
            hint = f" Nearest: {', '.join(near)}." if near else ""
            raise InputError(f"unknown probe {name!r}.{hint} Available: {', '.join(PROBES)}")
        chosen |= PROBES if name in ("all", FAMILY) else {name: PROBES[name]}
    if not chosen:
        raise InputError(f"no probe given. Available: {', '.join(PROBES)}")
    return list(chosen.values())


def relevant_passages(topics: Sequence[Topic], qrels: Qrels, level: int) -> dict[str, list[str]]:
    """Return the docids of at least grade `level` for each topic, sorted; topics without one are left out."""
    found = {
        topic.qid: sorted(docid for docid, grade in qrels.get(topic.qid, {}).items() if grade >= level)
        for topic in topics
    }
    return {qid: docids for qid, docids in found.items() if docids}


def draw_passages(
    relevant: Mapping[str, Sequence[str]], texts: Mapping[str, str], per_topic: int = PER_TOPIC, seed: int = 1
) -> dict[str, list[str]]:
    """Draw up to `per_topic` of the relevant passages that have a text; topics without one are left out."""
    drawn = {}
    for qid, docids in relevant.items():
        known = [docid for docid in docids if texts.get(docid, "").strip()]
        if known:
            drawn[qid] = generator(seed, "probe passages", qid).sample(known, min(per_topic, len(known)))
    return drawn


def probe_passages(
    topics: Sequence[Topic],
    relevant: Mapping[str, Sequence[str]],
    texts: Mapping[str, str],
    probes: Sequence[Probe],
    seed: int = 1,
) -> Probed:
    """Make the pairs of each probe from relevant passages.

    A pair depends on (seed, probe, qid, docid) and, where a name is replaced, on the passages of the other topics, not
    on the other probes.

    Args:
        topics: the topics.
        relevant: docids of relevant passages by qid, as `draw_passages` returns them.
        texts: their texts by docid.
        probes: as `resolve_probes` returns them.
        seed: seed of the draws.
    """
    names = {
        qid: {name for docid in docids for name in names_in(texts.get(docid, ""))} for qid, docids in relevant.items()
    }
    every = sorted(set().union(*names.values()))
    pairs: list[ProbePair] = []
    skipped: Counter[tuple[str, str]] = Counter()
    for topic in topics:
        drawn = generator(seed, "probe names", topic.qid).sample(every, min(_NAMES, len(every)))
        elsewhere = [name for name in drawn if name not in names.get(topic.qid, ())]
        for docid in relevant.get(topic.qid, ()):
            for probe in probes:
                rng = generator(seed, probe.name, f"{topic.qid}\t{docid}")
                try:
                    variants = probe.make(_case(topic, texts.get(docid, ""), elsewhere), rng)
                    if variants.plain == variants.shortcut:
                        raise Skipped("both passages are the same")
                except Skipped as reason:
                    skipped[probe.name, str(reason)] += 1
                else:
                    pairs.append(ProbePair(topic.qid, docid, probe.name, seed, *variants))
    return Probed(pairs, skipped)


def _case(topic: Topic, text: str, names: Sequence[str]) -> _Case:
    text = re.sub(r"\s+", " ", text).strip()
    if not text:
        raise Skipped("without text")
    parts = sentences(text)
    answer = answer_sentence(parts, topic.text)
    if answer is None:
        raise Skipped("no sentence has a word of the query")
    return _Case(topic.text, text, parts, answer, names)
