"""Ways to say what a passage must or must not do, none of them among those of `constrain`."""

from __future__ import annotations

import random
import re

from instrerank.perturbations.constraints import KINDS, Rule

WANTED = """
Keep only texts that {p}.|I want results that {p}.|Show me answers that {p}.|The answer should {p}.
A good result will {p}.|Relevant texts {p}.|Documents have to {p} to count.|Restrict the results to documents that {p}.
It is essential that the text {s}.|Look for something that {s}.|Every result has to {p}.|Give me only what {s}.
Nothing but documents that {p} will do.|Results that fail to {p} are useless to me.|Discard texts that do not {p}.
Ignore anything that does not {p}.|Do not return documents that fail to {p}.|What I need {s}.|Find texts {g}.
Texts {g} are what I am after.|Search for documents {g}.|I will read only documents that {p}.
Answers have to {p}, or else they do not help me.|Make sure that each result {s}.
For my purpose a document needs to {p}.
Limit yourself to sources that {p}.|My condition: the text {s}.|Does it {p}? Then it is relevant, otherwise not.
""".replace("\n", "|")
UNWANTED = """
Drop texts that {p}.|I do not want results that {p}.|Throw anything out that {s}.|The answer should not {p}.
A good result will not {p}.|Relevant texts do not {p}.|Documents may not {p}.|Exclude documents that {p}.
It is essential that the text does not {p}.|Look for something that does not {p}.|No result may {p}.|Skip whatever {s}.
Avoid documents that {p}.|Results that {p} are useless to me.|Discard texts that {p}.|Ignore anything that {s}.
Do not return documents that {p}.|What I need does not {p}.|Never show me texts {g}.|Filter out documents {g}.
Texts {g} are not what I am after.|I refuse to read documents that {p}.|Answers that {p} do not help me.
Make sure that no result {s}.|For my purpose a document needs to do without {g}.
Limit yourself to sources that do not {p}.
My condition: the text does not {p}.|Does it {p}? Then it is irrelevant.
""".replace("\n", "|")
BEFORE = """
|||||I am looking for an answer.|Find something that answers the question.|The text has to answer the query.
Help me with this question.|Relevant is what answers the query.|I need this for a report.|Give me good sources.
Please find what I ask for.|I would like to understand this better.|Useful texts are on the topic.
""".replace("\n", "|")
AFTER = """
||||||||Thank you.|This matters to me.|Everything else is fine.|I have no other wishes.|I am in a hurry.
""".replace("\n", "|")
VERBS = {"have": "has"}


def instruction(rule: Rule, rng: random.Random) -> str:
    """Say a rule in one of some ten thousand ways."""
    frame = rng.choice(_choices(WANTED if rule.wanted else UNWANTED))
    said = frame.format(p=predicate(rule), s=_with(rule, _third), g=_with(rule, _gerund))
    return " ".join(filter(None, (rng.choice(BEFORE.split("|")), said, rng.choice(AFTER.split("|")))))


def neutral(rng: random.Random) -> str:
    """Say nothing beyond the query."""
    return rng.choice(_choices(BEFORE))


def predicate(rule: Rule) -> str:
    """Return what a passage does that satisfies the rule's condition, such as `state a percentage`."""
    wording = KINDS[rule.kind].must[1].format(term=rule.term, words=rule.words)
    return re.fullmatch(r"To be relevant, a passage must (.*)\.", wording)[1]


def _with(rule: Rule, form) -> str:
    verb, _, rest = predicate(rule).partition(" ")
    return f"{form(verb)} {rest}"


def _third(verb: str) -> str:
    return VERBS.get(verb) or f"{verb}{'es' if verb.endswith('ss') else 's'}"


def _gerund(verb: str) -> str:
    return f"{verb.removesuffix('e')}ing"


def _choices(listed: str) -> list[str]:
    return [each for each in listed.split("|") if each]
