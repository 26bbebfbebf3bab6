"""TREC topics in markup: `<top>` of the ad hoc tracks, closed or not, and `<topic>` in the XML of later tracks."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from instrerank.trec.lines import WholeText
from instrerank.trec.problems import Problems
from instrerank.trec.records import shown

NUMBERS = ("num", "number", "qid", "id", "identifier", "topic_id")
"""Elements, or attributes of `<topic>`, that contain the qid."""

TITLES = ("title", "query", "summary")
"""Elements that contain the query text; a topic without elements has it directly in `<topic>`."""

NARRATIVES = ("narr", "narrative")

_OUTSIDE = ("top", "topic")
_TOKEN = re.compile(
    r"<!--.*?-->|<!\[CDATA\[(?P<literal>.*?)\]\]>|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>|<[?!][^<>]*>"
    r"|<(?P<close>/?)(?P<name>[A-Za-z][\w.:-]*)(?P<attributes>(?:\s[^<>]*)?)/?>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([\w.:-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'/>]+)""")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_OTHERS = {
    "head",
    "dom",
    "desc",
    "description",
    "smry",
    "con",
    "fac",
    "nat",
    "def",
    "time",
    "type",
    "querytime",
    "topic",
}
"""Elements of `<top>` that are ignored."""

_INLINE = {"a", "b", "br", "em", "font", "i", "p", "small", "span", "strong", "sub", "sup", "tt", "u"}
_LABELS = {
    **dict.fromkeys(NUMBERS, "number|topic"),
    **dict.fromkeys(TITLES, "topic|title|query"),
    **dict.fromkeys(NARRATIVES, "narrative"),
}


@dataclass
class MarkupTopic:
    """One `<top>` or `<topic>`.

    Attributes:
        line: line number of its tag.
        attributes: attributes of its tag, names in lower case.
        fields: text by element, names in lower case; "" is the text outside all elements.
    """

    line: int
    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)

    def get(self, *names: str) -> str:
        """Return the text of the first of these elements that has any, else ""."""
        return next((self.fields[name] for name in names if self.fields.get(name)), "")

    @property
    def qid(self) -> str:
        """The topic's number, from an element or else from an attribute."""
        return self.get(*NUMBERS) or next((self.attributes[name] for name in NUMBERS if name in self.attributes), "")

    @property
    def text(self) -> str:
        """The title or query, or the whole text of a topic without elements."""
        return self.get(*TITLES) or ("" if self.fields.keys() - {"", *NUMBERS} else self.get(""))

    @property
    def elements(self) -> str:
        """The names of its elements, for messages."""
        return shown([f"<{name}>" for name in self.fields if name])


def parse_markup(whole: WholeText, problems: Problems) -> Iterator[MarkupTopic]:
    """Yield topics in file order, and record markup that would lose or merge some of them."""
    topic: MarkupTopic | None = None
    outside = element = ""
    tags: dict[str, None] = {}
    count = 0
    for offset, name, closing, attributes, text in _tokens(whole.text):
        if topic is None:
            tags.update({f"<{name}>": None} if name else {})
            if name in _OUTSIDE and not closing:
                topic, outside, element = MarkupTopic(whole.line_of(offset), attributes), name, ""
            elif name in _OUTSIDE:
                problems.add(whole.line_of(offset), f"</{name}> without <{name}>")
            elif text.strip():
                what = f"text outside topics is ignored: {text.strip():.60}"
                at = offset + len(text) - len(text.lstrip())
                problems.add(whole.line_of(at), what, warning=True)
        elif name == outside and closing:
            count += 1
            yield _finished(topic, problems)
            topic = None
        elif name == outside:
            problems.add(topic.line, f"<{outside}> without </{outside}>")
            topic, element = MarkupTopic(whole.line_of(offset), attributes), ""
        elif not name:
            topic.fields[element] = topic.fields.get(element, "") + text
        elif name in _INLINE:
            topic.fields[element] = topic.fields.get(element, "") + " "
        elif closing:
            if element != name and name in _LABELS and topic.fields.get(name, "").strip():
                problems.add(whole.line_of(offset), f"</{name}>: contains other tags; write < as &lt;")
            element = ""
        else:
            element = name
            if element in topic.fields and element in _LABELS:
                problems.add(whole.line_of(offset), f"a second <{element}> in the topic on line {topic.line}")
            if outside == "top" and name not in _OTHERS and name not in _LABELS and name not in tags:
                tags[name] = None
                what = f"<{name}> is not an element of a TREC topic: the text after it is ignored"
                problems.add(whole.line_of(offset), what, warning=True)
            topic.fields.setdefault(element, "")
    if topic is not None:
        problems.add(topic.line, f"<{outside}> without </{outside}>")
    elif not count and not problems.errors:
        problems.add(0, f"no <top> or <topic> found; its tags: {shown(list(tags))}")


def _tokens(text: str) -> Iterator[tuple[int, str, bool, dict[str, str], str]]:
    """Yield (offset, name, is closing, attributes, "") per tag, (offset, "", False, {}, text) per text between."""
    at = 0
    for match in _TOKEN.finditer(text):
        if text[at : match.start()]:
            yield at, "", False, {}, _unescaped(text[at : match.start()])
        at = match.end()
        if match["literal"]:
            yield match.start(), "", False, {}, match["literal"]
        elif match["name"]:
            found = _ATTRIBUTE.findall(match["attributes"])
            attributes = {name.lower(): _unescaped(value.strip("\"'")) for name, value in found}
            yield match.start(), _local(match["name"]), bool(match["close"]), attributes, ""
            if match[0].endswith("/>") and not match["close"]:
                yield match.start(), _local(match["name"]), True, {}, ""
    if text[at:]:
        yield at, "", False, {}, _unescaped(text[at:])


def _local(name: str) -> str:
    """Return a tag's name in lower case, without CLEF's language prefix (`EN-title`)."""
    return re.sub(r"^[a-z]{2}-", "", name.lower())


def _finished(topic: MarkupTopic, problems: Problems) -> MarkupTopic:
    """Strip whitespace and TREC's labels (`Number:`), and warn about stray text."""
    for name, text in topic.fields.items():
        labels = _LABELS.get(name)
        text = re.sub(rf"^\s*(?:{labels})\s*:", "", text, flags=re.IGNORECASE) if labels else text
        topic.fields[name] = " ".join(text.split())
    left = topic.fields.get("", "")
    if left and topic.get(*TITLES, *NARRATIVES):
        problems.add(topic.line, f"text outside the topic's elements is ignored: {left:.60}", warning=True)
    return topic


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)
