"""Ways to say what a passage must or must not do, none of them among those of `constrain`."""

from __future__ import annotations

import random
from collections.abc import Callable

from instrerank.perturbations.constraints import Rule

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
TERM_WANTED = """
I am interested in {t}.|{T} has to come up.|It must be about {t} too.|With {t}, please.|Focus on {t}.|What about {t}?
Only with {t} in it.|I care most about {t}.|The role of {t} matters to me.|Without {t} it does not help me.
In connection with {t}.|Especially {t}.|Only where {t} plays a part.|Include {t}.|I want to read about {t}.
""".replace("\n", "|")
TERM_UNWANTED = """
I am not interested in {t}.|{T} must not come up.|Nothing about {t}.|No {t}, please.|Without {t}.|Not {t}.
Anything but {t}.|I know all about {t} already.|I have read enough about {t}.|Apart from {t}, what is there?
Other than {t}.|Spare me {t}.|{T} is of no interest to me.|Leave {t} aside.|Exclude {t}.
I do not want to read about {t}.|Except {t}.|Only where {t} plays no part.|Keep {t} out of it.|Avoid {t}.
""".replace("\n", "|")
BEFORE = """
||||||I am looking for an answer.|Find something that answers the question.|The text has to answer the query.
Help me with this question.|Relevant is what answers the query.|I need this for a report.|Give me good sources.
Please find what I ask for.|I would like to understand this better.|Useful texts are on the topic.
Relevant texts tell {q}.|I would like to know {q}.|My question is: {q}.|Find documents on {q}.
A relevant text is on {q}; texts on other subjects are not.|Good results deal with {q} and with nothing else.
""".replace("\n", "|")
AFTER = """
||||||||Thank you.|This matters to me.|Everything else is fine.|I have no other wishes.|I am in a hurry.
""".replace("\n", "|")
PREDICATES = {
    "mentions": "mention the word “{t}”|mention {t}|contain the word {t}|talk about {t}|refer to {t}|bring up {t}|"
    "discuss {t}|use the term '{t}'|speak of {t}|include {t}|name {t}|say something about {t}|touch on {t}|"
    'deal with {t}|cover {t}|have "{t}" in them|contain "{t}"|mention "{t}" anywhere',
    "number": "contain a number in digits|contain figures|give numbers|have a figure in them|state a number",
    "year": "name a year|give the year|contain a four-digit year|say in which year something was|mention a year",
    "percentage": "state a percentage|give a percentage|contain a share in per cent|have a percentage in them",
    "money": "state an amount of money|give a price|name a sum in dollars, euros or pounds|say what something costs",
    "question": "ask a question|contain a question|have a question mark in them|pose a question",
    "brackets": "contain brackets|have a remark in brackets|use round brackets|put something in parentheses",
    "quotation": "quote somebody|contain a quotation|have words in quotation marks|use quotation marks",
    "address": "address the reader|speak to the reader as “you”|say “you”|use “you” or “your”|talk to the reader",
    "first person": "speak in the first person|say “I” or “we”|use words like “my” or “our”|tell the writer's view",
    "example": "give an example|give examples|illustrate with examples|contain “for example”|say “such as”",
    "longer": "have more than {n} words|run to more than {n} words|be longer than {n} words|exceed {n} words",
}
VERBS = {"have": ("has", "having"), "be": ("is", "being"), "run": ("runs", "running"), "quote": ("quotes", "quoting")}


def instruction(rule: Rule, query: str, rng: random.Random) -> str:
    """Say a rule in one of some hundred thousand ways."""
    if rule.kind == "mentions" and rng.random() < 0.4:
        frame = rng.choice(_choices(TERM_WANTED if rule.wanted else TERM_UNWANTED))
        said = frame.format(t=rule.term, T=rule.term.capitalize())
    else:
        plural = rng.choice(PREDICATES[rule.kind].split("|")).format(t=rule.term, n=rule.words)
        singular = plural.replace(" in them", " in it")
        frame = rng.choice(_choices(WANTED if rule.wanted else UNWANTED))
        said = frame.format(p=plural, s=_with(singular, _third), g=_with(plural, _gerund))
    before = rng.choice(BEFORE.split("|")).format(q=query)
    return " ".join(filter(None, (before, said, rng.choice(AFTER.split("|")))))


def neutral(query: str, rng: random.Random) -> str:
    """Say nothing beyond the query."""
    return rng.choice(_choices(BEFORE)).format(q=query)


def _with(predicate: str, form: Callable[[str], str]) -> str:
    verb, _, rest = predicate.partition(" ")
    return f"{form(verb)} {rest}"


def _third(verb: str) -> str:
    return VERBS[verb][0] if verb in VERBS else f"{verb}{'es' if verb.endswith('ss') else 's'}"


def _gerund(verb: str) -> str:
    return VERBS[verb][1] if verb in VERBS else f"{verb.removesuffix('e')}ing"


def _choices(listed: str) -> list[str]:
    return [each for each in listed.split("|") if each]
