import numpy as np
import pytest

from instrerank.encoders import Encoded, EncoderProfile
from instrerank.trec.types import Topic


@pytest.fixture
def topics() -> list[Topic]:
    """Queries of many kinds; the last two have no instruction."""
    return [
        Topic("007", "how do goldfish sleep at night", "Relevant passages name 2 sources. Nothing before 1990."),
        Topic("a-1", "Definition of photosynthesis?", "I teach beginners and want passages with a short definition."),
        Topic("a-2", "cost of 5 km taxi ride in Oslo", "Passages must mention a price in kroner."),
        Topic("x", "ww1", "Only passages about the causes are relevant."),
        Topic("y", "что такое фотосинтез", "Answers in Russian are welcome, too."),
        Topic("emoji", "best 🍕 near me 👩‍👩‍👧", "Ignore advertising."),
        Topic("rtl", "ما هي عاصمة مصر", "Passages should name the city."),
        Topic("z1", "who is it"),
        Topic("long", " ".join(["the history of glass making in venice"] * 286)),
    ]


class LetterEncoder:
    """An encoder whose vectors count the letters of a text; it counts the queries that it was asked for."""

    name, revision, fingerprint, dtype, device, store = "letters", None, "0", "float32", "cpu", None
    profile = EncoderProfile(
        family="letters", query_template="{q} {i}", passage_template="{d}", pooling="mean",
        max_query_length=32, max_passage_length=32, normalize=True, source="a test",
    )  # fmt: skip

    def __init__(self):
        self.queries = 0

    def _encode(self, texts):
        counts = np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], np.float32)
        vectors = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
        return Encoded(vectors, np.zeros(len(texts), np.int64), np.zeros(len(texts), bool))

    def encode_queries(self, queries, instructions=None, *, progress=False):
        assert all(query.strip() for query in queries)
        self.queries += len(queries)
        instructions = instructions or [""] * len(queries)
        return self._encode(
            [f"{query} {instruction}" for query, instruction in zip(queries, instructions, strict=True)]
        )

    def encode_passages(self, texts, *, progress=False):
        return self._encode(texts)


@pytest.fixture
def encoder() -> LetterEncoder:
    return LetterEncoder()
