"""What goes wrong with files on their way to a user: damaged bytes, odd texts, values of other kinds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

TEXTS = [
    "", " ", "\t", "\n", "\r", "\r\n", "\0", "\ufeff", "\u2028", "\u2029", "\x85", "\xa0", "\x1c", "\u200b", "\u0301", "\U0001f35e",
    '"', "'", "{", "}", "[", "]", "<", ">", "<top>", "</top>", "<num>", "<num> Number: 1", "<title>", "<!--", "&amp;", "&#0;", "<![CDATA[",
    "-", "--", "0", "-1", "1_0.0", "0x10", "1e999", "-1e999", "nan", "inf", "9" * 30, "9" * 5000, "1e-400", "2147483648", "٣", "½",
    "null", "true", "none", "../../x", "/dev/null", "..", ".", "~", "~nobody", "irds:x", "hf:x", "pocket", "x" * 300, "ä" * 200,
    "2024-13-45", "2024-01-01", "12:30:45", "*a", "&a", "<<: *a", "!!python/object:os.system", "!!binary x", "? [a]", "%YAML 9.9", "---", "...",
    "\\ud800", "\\u0000", "\\", "{q}", "{i}", "{d}", "{0}", "%s", "(a+)+$", "(", "*",
]  # fmt: skip


def _deep(kind: str, depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 0.5, -0.5, 1e308, float("inf"), float("nan"), 2**31, 2**63, 2**64, -(2**63), 10**400),
    *([], {}, [[]], [{}], [None], {"": None}, {"a": 1}, ["a", "b"], [1, 2], _deep("list", 40), _deep("mapping", 40)),
    *TEXTS,
]  # fmt: skip
_BYTES = [b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88", b"\x1f\x8b", b"\0", b"PK\3\4", b"\r", b"\x80"]
_JSON_TEXTS = [
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "9" * 5000,
    "1e9999",
    "NaN",
    '"\\ud800"',
    '"\\udc00x"',
    "-",
]


def mutated(random: Random, content: bytes, kind: str) -> bytes:
    """Return a file of `kind` ("text", "json", "jsonl", "yaml", "bytes") with one to three faults."""
    structural: dict[str, Callable[[Random, bytes], bytes]] = {"json": _json, "jsonl": _jsonl, "yaml": _yaml}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if kind in structural and random.random() < 0.6:
            content = structural[kind](random, content)
        else:
            content = random.choice(_ANY if kind == "bytes" else _TEXT)(random, content)
    return content


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content or b"x")
    for _ in range(random.choice((1, 1, 2, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _cut(random: Random, content: bytes) -> bytes:
    start, end = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def _repeat(random: Random, content: bytes) -> bytes:
    start, end = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * random.choice((1, 2, 5)) + content[end:]


def _insert(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    odd = random.choice(_BYTES) if random.random() < 0.2 else random.choice(TEXTS).encode()
    return content[:at] + odd * random.choice((1, 1, 1, 4)) + content[at:]


def _swap_field(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    separator = random.choice((b"\t", b" ", b",", b":"))
    fields = lines[at].split(separator)
    fields[random.randrange(len(fields))] = random.choice(TEXTS).encode()
    lines[at] = separator.join(fields)
    return b"\n".join(lines)


def _drop_field(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    fields = lines[at].split()
    if fields:
        del fields[random.randrange(len(fields))]
    lines[at] = random.choice((b" ", b"\t")).join(fields)
    return b"\n".join(lines)


def _lines(random: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    random.shuffle(lines)
    return b"".join(lines + random.choices(lines, k=random.choice((0, 1, 2)))) if lines else content


def _recode(random: Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    kind = random.randrange(7)
    if kind == 0:
        return text.replace("\n", "\r\n").encode()
    if kind == 1:
        return text.replace("\n", "\r").encode()
    if kind == 2:
        return b"\xef\xbb\xbf" + content
    if kind == 3:
        return text.encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-7")))
    if kind == 4:
        return text.replace("e", "é").encode("latin-1", "replace")
    if kind == 5:
        return text.replace(" ", random.choice(("\u2028", "\x85", "\xa0", "\t", "  ", "\x1d"))).encode()
    return gzip.compress(content)


def _jsonl(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = _json(random, lines[at])
    return b"\n".join(lines)


def _json(random: Random, content: bytes) -> bytes:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _insert(random, content)
    marker = "\1 here"
    changed = _changed(random, value, marker)
    text = json.dumps(changed, ensure_ascii=random.random() < 0.5)
    return text.replace(json.dumps(marker), random.choice(_JSON_TEXTS)).encode("utf-8", "surrogatepass")


def _yaml(random: Random, content: bytes) -> bytes:
    try:
        value = yaml.safe_load(content)
        return yaml.safe_dump(_changed(random, value, "2024-13-45"), allow_unicode=True, sort_keys=False).encode()
    except Exception:  # what an earlier fault has left is no YAML
        return _insert(random, content)


def _changed(random: Random, value: Any, marker: str) -> Any:
    """Replace, remove, rename or add one value somewhere in nested data."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        kind = random.random()
        if kind < 0.7:
            return {**value, key: _changed(random, value[key], marker)}
        if kind < 0.85:
            return {name: each for name, each in value.items() if name != key}
        return {(random.choice(TEXTS) if name == key else name): each for name, each in value.items()}
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        changed = _changed(random, value[at], marker)
        return random.choice(([*value[:at], changed, *value[at + 1 :]], value[:at] + value[at + 1 :], value * 2))
    return marker if random.random() < 0.1 else random.choice(VALUES)


_ANY = [_flip, _flip, _truncate, _cut, _repeat, _insert]
_TEXT = [*_ANY, _swap_field, _swap_field, _drop_field, _lines, _recode]
