"""A bi-encoder that any test can hold in its head: one dimension for each word it knows."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest

from instrerank.encoders import BiEncoder

# read when Ray is imported, by whichever test is first: its handler would take the signal that a JVM needs
os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
# a slow machine is no failure, and a test that fails once in a hundred runs tells nobody why
hypothesis.settings.register_profile("instrerank", deadline=None, derandomize=True)
hypothesis.settings.load_profile("instrerank")


class BagOfWords(BiEncoder):
    """An encoder whose vectors count words; an instruction `without X` takes X away.

    It has the attributes and methods of `instrerank.encoders.Encoder` and records what it was asked to encode.
    """

    name, fingerprint, dtype, device, revision, store = "words", "0", "float32", "cpu", None, None

    def __init__(self, *words: str) -> None:
        self.words = words
        self.dimension = len(words)
        self.window_length = 2
        self.profile = SimpleNamespace(name="bag of words")
        self.passages: list[str] = []
        self.queries: list[tuple[str, str]] = []

    def _encode(self, texts):
        counts = [[re.findall(r"\w+", text.lower()).count(word) for word in self.words] for text in texts]
        return np.array(counts, np.float32).reshape(len(texts), len(self.words))

    def encode_passages(self, texts, *, progress=False):
        self.passages += texts
        return self._encoded(self._encode(texts), texts)

    def encode_queries(self, queries, instructions=None, *, progress=False):
        instructions = instructions or [""] * len(queries)
        self.queries += zip(queries, instructions, strict=True)
        taken = [re.findall(r"without (\w+)", instruction) for instruction in instructions]
        vectors = self._encode(queries) - 2 * self._encode([" ".join(words) for words in taken])
        return self._encoded(vectors, queries)

    def count_stored(self, texts):
        return 0

    def windows(self, text, size, stride):
        words = text.split()
        return [" ".join(words[start : start + size]) for start in range(0, len(words), stride)]

    def _encoded(self, vectors, texts):
        lengths = np.array([len(text.split()) for text in texts])
        return SimpleNamespace(vectors=vectors, token_counts=lengths, truncated=lengths > 20)


@pytest.fixture
def bag_of_words():
    return BagOfWords("moon", "sun", "tide", "bread")


@pytest.fixture
def words(monkeypatch, bag_of_words):
    """The bag of words behind the name `words`, with what verbs ask of a loaded encoder."""
    from instrerank import encoders
    from instrerank.jobs import models

    bag_of_words.profile = encoders.EncoderProfile(
        family="words", query_template="{q} {i}", passage_template="{d}", pooling="mean",
        max_query_length=32, max_passage_length=32, normalize=False, source="a test",
    )  # fmt: skip

    def standing_in(load):
        return lambda name, *options, **changes: bag_of_words if name == "words" else load(name, *options, **changes)

    for name in ("load_encoder", "load_scorer"):
        monkeypatch.setattr(models, name, standing_in(getattr(models, name)))
    return bag_of_words


@pytest.fixture(autouse=True, scope="session")
def _no_trace_in_the_home_folder(tmp_path_factory):
    """Passage vectors that tests keep go to a folder of the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTRERANK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def chat(monkeypatch):
    """A language model's endpoint on this machine, without keys in the environment."""
    from chat_server import ChatServer

    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ChatServer()
    yield server
    server.close()
