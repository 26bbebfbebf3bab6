"""Paraphrases: rules that keep the meaning by construction, and recorded variants from a file."""

from __future__ import annotations

import csv
import functools
import random
import re
from collections.abc import Sequence

from instrerank.errors import InputError
from instrerank.files import read_lines
from instrerank.perturbations.base import Perturbed, rewritten
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import with_case_of
from instrerank.trec.types import Topic

# Wordings of one need, {} for what is asked about; any of a group may stand for any other.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("definition of {}", "{} definition", "define {}", "meaning of {}", "what is the definition of {}"),
    ("difference between {} and {}", "{} vs {}", "{} versus {}", "how do {} and {} differ"),
    ("causes of {}", "{} causes", "what causes {}", "what are the causes of {}"),
    ("symptoms of {}", "{} symptoms", "what are the symptoms of {}"),
    ("types of {}", "what types of {} are there", "kinds of {}"),
    ("cost of {}", "what does {} cost", "how much does {} cost", "what is the cost of {}"),
    ("example of {}", "an example of {}", "what is an example of {}"),
    ("what is {} used for", "uses of {}", "what are the uses of {}"),
    ("benefits of {}", "{} benefits", "what are the benefits of {}"),
    ("population of {}", "{} population", "what is the population of {}"),
    ("capital of {}", "what is the capital of {}"),
    ("how to {}", "how do i {}", "how can i {}", "ways to {}"),
    ("is it true that {}", "is it a fact that {}"),
)
_PHRASES: tuple[tuple[str, ...], ...] = (
    ("what is", "what's"),
    ("who is", "who's"),
    ("where is", "where's"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("is not", "isn't"),
    ("are not", "aren't"),
    ("can not", "cannot", "can't"),
    ("how many", "what number of"),
    ("how often", "how frequently"),
    ("at what time", "when"),
    ("because of", "due to"),
    ("such as", "like"),
    ("in order to", "to"),
    ("consist of", "be made up of"),
    ("consists of", "is made up of"),
    ("part of", "a part of"),
    ("united states", "usa"),
    ("united kingdom", "uk"),
    ("wwi", "world war one"),
    ("ww1", "world war one"),
    ("wwii", "world war two"),
    ("ww2", "world war two"),
)


@register("paraphrase-rules", family="paraphrase", expects="invariance")
def paraphrase_rules(topic: Topic, rng: random.Random) -> str:
    """The same need in other words, by rule: `causes of x`, `what causes x`; contractions; set phrases."""
    body, end = re.fullmatch(r"(.*?)(\s*[?.!]*\s*)", topic.text, re.DOTALL).groups()  # type: ignore[union-attr]
    wordings = [wording for group in _GROUPS for wording in _other_wordings(body, group)]
    wordings += [wording for group in _PHRASES for wording in _other_phrases(body, group)]
    return rng.choice(wordings) + end if wordings else topic.text


def _other_wordings(text: str, group: Sequence[str]) -> list[str]:
    for form in group:
        match = _pattern(form).fullmatch(text)
        if match:
            parts = [part.strip() for part in match.groups()]
            return [with_case_of(other.format(*parts), text) for other in group if other != form]
    return []


@functools.cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(re.escape(form).replace(r"\{\}", r"(.+?)"), re.IGNORECASE)


def _other_phrases(text: str, group: Sequence[str]) -> list[str]:
    for phrase in group:
        match = _whole_words(phrase).search(text)
        if match:
            before, after = text[: match.start()], text[match.end() :]
            return [before + with_case_of(other, match[0]) + after for other in group if other != phrase]
    return []


@functools.cache
def _whole_words(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w']){re.escape(phrase)}(?![\w'])", re.IGNORECASE)


@register("recorded", family="paraphrase", expects="invariance", seeded=False, needs="a file of variants (file=FILE)")
def recorded(topic: Topic, rng: random.Random, *, file: str, method: str = "") -> Perturbed:
    """A variant from a TSV with the columns qid, method and text, for example human-validated ones."""
    variants = _read_variants(file)
    label = re.sub(r"[^A-Za-z0-9]+", "-", method)
    if not method and len(variants) == 1:
        label = next(iter(variants))
    if label not in variants:
        raise InputError(f"{file}: unknown method {method!r}; set method=NAME. Available: {', '.join(variants)}")
    return rewritten(topic, variants[label].get(topic.qid, topic.text), "recorded")


@functools.cache
def _read_variants(file: str) -> dict[str, dict[str, str]]:
    """Return texts by method, then by qid; in method names, all but letters and digits becomes hyphens."""
    rows = csv.reader((line for _, line in read_lines(file)), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    if sorted(header) != ["method", "qid", "text"]:
        raise InputError(f"{file}: expected the header qid<TAB>method<TAB>text, in any order; found {header}")
    variants: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != 3 or not all(row):
            raise InputError(f"{file}:{number}: expected three non-empty columns, found {row}")
        fields = dict(zip(header, row, strict=True))
        by_qid = variants.setdefault(re.sub(r"[^A-Za-z0-9]+", "-", fields["method"]), {})
        if by_qid.setdefault(fields["qid"], fields["text"]) != fields["text"]:
            raise InputError(f"{file}:{number}: duplicate variant of qid {fields['qid']} by method {fields['method']}")
    return variants
