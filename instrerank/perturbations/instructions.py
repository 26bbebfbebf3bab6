"""Instruction perturbations: paraphrases and controls, wrong instructions, and reversed ones.

After InstructIR (2402.14334), Promptriever (2409.11136), FollowIR (2403.15246), InfoSearch (2410.23841) and InF-IR
(2505.21439); see docs/methods.md.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence

from instrerank.errors import InputError
from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.meaning import negating_edit
from instrerank.perturbations.naturality import keywords
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import TOKENS, with_case_of
from instrerank.trec.types import Topic

WRAPPERS = (
    "This is what I am after: {i}",
    "Please keep the following in mind while you search: {i}",
    "For the search at hand this holds: {i}",
    "{i} That is what the passages should be like.",
    "My request in detail: {i}",
)
GENERIC = (
    "Retrieve passages that answer the query.",
    "Given a web search query, retrieve relevant passages that answer the query.",
    "Find the passages that are most relevant to the query.",
    "A relevant passage gives the information that the query asks for.",
    "Return passages that help to answer the question.",
    "Search for text that satisfies the information need behind the query.",
    "Rank the passages by how well they answer the query.",
    "Please look for documents on the topic of the query.",
    "A good passage is about the subject of the query and answers it.",
    "Think about what the query is looking for, then find passages that contain it.",
)
IRRELEVANT = (
    "Relevant passages explain how to prune apple trees in late winter.",
    "I collect old railway timetables and only want passages about branch lines that were closed.",
    "A relevant passage compares the paddles used in sea kayaking.",
    "Return passages about the rules of curling and how its ice is prepared.",
    "I am a potter and look for glazes that can be fired at low temperature.",
    "Only passages about the migration of storks over the Bosporus are relevant.",
    "Find passages that describe how bell founders tune church bells.",
    "I restore violins and need passages on hide glue and its working temperature.",
)
PADDING = (
    "Take the time that you need.",
    "There is no hurry with this.",
    "The order in which you look through the collection does not matter.",
    "All of what has been said so far still holds.",
    "Nothing in this paragraph adds to the request.",
    "Whoever reads the result will be glad of it.",
    "It was written down here so that it is not forgotten.",
    "Should you be in doubt, read the request once more.",
)
NARROWING = (
    "Only passages that state a number are relevant.",
    "Passages that mention a year are not relevant.",
    "Only passages of fewer than sixty words are relevant.",
    "Passages that ask the reader a question are not relevant.",
    "Only passages that give an example are relevant.",
)
_OPPOSITES = (
    "before after, more less, with without, always never, increase decrease, increases decreases, high low, "
    "higher lower, large small, larger smaller, old new, older newer, early late, first last, best worst, "
    "advantages disadvantages, benefits drawbacks, beginner expert, beginners experts, cheap expensive, indoor "
    "outdoor, inside outside, domestic foreign, ancient modern, private public, legal illegal, safe dangerous, "
    "simple complex, short long, shorter longer, male female, men women, children adults, include exclude, "
    "includes excludes, including excluding, causes prevents, positive negative, summer winter, north south, east "
    "west, recent historical"
)
OPPOSITES = {word: other for pair in _OPPOSITES.split(", ") for word, other in (pair.split(), reversed(pair.split()))}


@register("instruction-paraphrase", family="instruction", expects="invariance", changes="instruction")
def paraphrase(topic: Topic, rng: random.Random) -> str:
    """The instruction embedded in one of five carrier sentences that ask for the same thing (InstructIR)."""
    return rng.choice(WRAPPERS).format(i=topic.instruction)


@register("instruction-before", family="instruction", expects="invariance", changes="instruction", seeded=False)
def before(topic: Topic, rng: random.Random) -> Perturbed:
    """The instruction moved into the query, before it; the instruction field is left empty."""
    return _joined(topic, Edit("join", 0, "", f"{topic.instruction} "))


@register("instruction-after", family="instruction", expects="invariance", changes="instruction", seeded=False)
def after(topic: Topic, rng: random.Random) -> Perturbed:
    """The instruction moved into the query, after it; the instruction field is left empty."""
    return _joined(topic, Edit("join", len(topic.text), "", f" {topic.instruction}"))


def _joined(topic: Topic, join: Edit) -> Perturbed:
    return edited(topic, [join, Edit("join", 0, topic.instruction, "", "instruction")])


@register("instruction-generic", family="instruction", expects="invariance", changes="instruction")
def generic(topic: Topic, rng: random.Random, *, fill: str = "all") -> str:
    """One of ten generic task descriptions; topics without an instruction get one too (Promptriever)."""
    return _filled(topic, fill, rng.choice(GENERIC))


@register("instruction-irrelevant", family="instruction", expects="indifference", changes="instruction")
def irrelevant(topic: Topic, rng: random.Random, *, fill: str = "all") -> str:
    """An unrelated instruction; topics without an instruction get one too (Promptriever)."""
    return _filled(topic, fill, rng.choice(IRRELEVANT))


def _filled(topic: Topic, fill: str, instruction: str) -> str:
    if fill not in ("all", "present"):
        raise InputError(f"`fill` must be all (every topic gets an instruction) or present, got {fill!r}")
    return instruction if topic.instruction or fill == "all" else ""


@register(
    "instruction-repeated-query", family="instruction", expects="invariance", changes="instruction", seeded=False
)
def repeated_query(topic: Topic, rng: random.Random) -> str:
    """The query repeated up to the length of the instruction in words, a control for length (Promptriever)."""
    words = topic.text.split()
    length = len(topic.instruction.split())
    return " ".join((words * (length // len(words) + 1))[:length])


@register("instruction-long", family="instruction", expects="invariance", changes="instruction")
def over_long(topic: Topic, rng: random.Random, *, tokens: int = 512) -> str:
    """The instruction padded to `tokens` words with meaningless sentences."""
    parts = [topic.instruction]
    length = len(topic.instruction.split())
    while length < tokens:
        parts.append(rng.choice(PADDING))
        length += len(parts[-1].split())
    return " ".join(parts)


@register("instruction-none", family="instruction", expects="ablation", changes="instruction", seeded=False)
def none(topic: Topic, rng: random.Random) -> str:
    """No instruction: the query alone (FollowIR)."""
    return ""


@register("instruction-keywords", family="instruction", expects="ablation", changes="instruction", seeded=False)
def as_keywords(topic: Topic, rng: random.Random) -> str:
    """Only the content words of the instruction (FollowIR)."""
    return keywords(Topic(topic.qid, topic.instruction), rng)


@register("instruction-short", family="instruction", expects="ablation", changes="instruction", seeded=False)
def short(topic: Topic, rng: random.Random) -> str:
    """Only the first sentence of the instruction (FollowIR)."""
    return re.split(r"(?<=[.!?])\s+", topic.instruction.strip(), maxsplit=1)[0]


@register("instruction-swapped", family="instruction", expects="indifference", changes="instruction", over_topics=True)
def swapped(topics: Sequence[Topic], seed: int) -> Callable[[Topic, random.Random], str]:
    """The instruction of another topic, by a seeded derangement of all instructions (Promptriever)."""
    given = [topic for topic in topics if topic.instruction]
    ring = sorted(given, key=lambda topic: hashlib.sha256(f"{seed}\t{topic.qid}".encode()).digest())
    follower: dict[str, str] = {}
    other = next((t.instruction for t in ring if t.instruction != ring[-1].instruction), "")
    # backwards round the ring, so that each topic takes the next instruction that is not its own text
    for topic, following in zip(reversed(ring), [*ring[:1], *reversed(ring[1:])], strict=True):
        if following.instruction != topic.instruction:
            other = following.instruction
        follower[topic.qid] = other
    return lambda topic, rng: follower[topic.qid] or topic.instruction


@register(
    "instruction-contradictory", family="instruction", expects="directional", changes="instruction", seeded=False
)
def contradictory(topic: Topic, rng: random.Random) -> str:
    """The instruction, followed by a sentence that withdraws it."""
    return f"{topic.instruction} On second thought, the opposite holds: passages that fit this are not relevant."


@register("instruction-negated", family="instruction", expects="directional", changes="instruction", seeded=False)
def negated(topic: Topic, rng: random.Random) -> str:
    """A request for passages that do not satisfy the instruction (InfoSearch)."""
    return f"Find passages that do NOT satisfy the following: {topic.instruction}"


@register("instruction-reversed", family="instruction", expects="directional", changes="instruction", seeded=False)
def reversed_instruction(topic: Topic, rng: random.Random) -> str:
    """A statement that passages satisfying the instruction are not relevant and others are (InfoSearch)."""
    return (
        f"Passages of which this holds are not relevant: {topic.instruction} "
        "Passages on the query of which it does not hold are relevant."
    )


@register(
    "instruction-narrowed", family="instruction", expects="directional", changes="instruction", needs_review=True
)
def narrowed(topic: Topic, rng: random.Random) -> str:
    """A further condition appended; needs changed qrels, which `constrain` makes for its own conditions (FollowIR)."""
    return f"{topic.instruction} {rng.choice(NARROWING)}"


@register(
    "instruction-poisoned", family="instruction", expects="directional", changes="instruction", needs_review=True
)
def poisoned(topic: Topic, rng: random.Random) -> Perturbed:
    """One word changed to make the instruction wrong: an opposite, another number, a negation (after InF-IR)."""
    edits = []
    for match in TOKENS.finditer(topic.instruction):
        word = re.search(r"[A-Za-z]+|[0-9]+", match[0])
        if word is None:
            continue
        position = match.start() + word.start()
        if word[0].isdigit():
            edits.append(Edit("number", position, word[0], str(int(word[0]) + rng.randint(1, 9)), "instruction"))
        elif word[0].lower() in OPPOSITES:
            other = with_case_of(OPPOSITES[word[0].lower()], word[0])
            edits.append(Edit("opposite", position, word[0], other, "instruction"))
    edit = rng.choice(edits) if edits else negating_edit(topic.instruction)._replace(field="instruction")
    return edited(topic, [edit])
