"""Rerank Pyserini hits, or wrap a Pyserini searcher with a drop-in replacement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from instrerank.collections import PassageSource
from instrerank.collections.bundled import calibration_texts
from instrerank.encoders import load_scorer
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion
from instrerank.reranking.hits import Hit, RerankedHit, hit_docid, hit_score, hit_text
from instrerank.reranking.rerank import rerank
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import Windows
from instrerank.trec import ScoredDoc, Topic, trec_eval_order
from instrerank.trec.problems import counted, listed
from instrerank.trec.records import is_empty

Texts = Mapping[str, str] | PassageSource
"""Passage text by docid, or a source to look it up in."""


class InstructionReranker:
    """Reranks hits with an instruction-following bi-encoder, or with any other `Scorer`."""

    def __init__(self, encoder: Scorer, *, fusion: Fusion | None = None, windows: Windows | None = None) -> None:
        """Take a loaded model.

        Args:
            encoder: model from `instrerank.load_encoder` or `load_scorer`, or your own `Scorer`.
            fusion: fusion with first-stage scores (default: none).
            windows: how to split long passages (default: truncate them).
        """
        self.encoder = encoder
        self.fusion = fusion or Fusion()
        self.windows = windows

    def __repr__(self) -> str:
        return f"InstructionReranker({self.encoder!r}, fusion={self.fusion!r}, windows={self.windows!r})"

    @classmethod
    def from_pretrained(
        cls, encoder: str, *, fusion: Fusion | None = None, windows: Windows | None = None, **options: Any
    ) -> InstructionReranker:
        """Load an encoder by name, Hugging Face id or folder.

        Args:
            encoder: `minilm`, `instrerank-minilm`, a Hugging Face id such as `intfloat/e5-base-v2`, or a folder.
            fusion: fusion with first-stage scores (default: none).
            windows: how to split long passages (default: truncate them).
            **options: fields of `LoadOptions` (`device`, `dtype`, `adapter`, `kind`, …).

        Raises:
            InputError: an unknown encoder or option.
            MissingPrerequisiteError: the model is not available here.
        """
        return cls(load_scorer(encoder, calibration=calibration_texts, **options), fusion=fusion, windows=windows)

    def rerank(
        self, query: str, hits: Sequence[Hit], instruction: str = "", *, texts: Texts | None = None
    ) -> list[RerankedHit]:
        """Rerank the hits of one query.

        Args:
            query: the query text.
            hits: Pyserini hits, or (docid, text) pairs, in first-stage order.
            instruction: instruction for the query, combined with it as the model family expects.
            texts: passage text by docid, or a source to look it up in (`instrerank.collections.open_passages`,
                `instrerank.anserini.IndexPassages`), for hits without text (FAISS, impact and HNSW indexes).

        Returns:
            The same hits with new scores, in trec_eval's order.

        Raises:
            InputError: a hit without text, or a duplicate docid.
        """
        return self.rerank_batch([query], [hits], [instruction], texts=texts)[0]

    def rerank_batch(
        self,
        queries: Sequence[str],
        hits: Sequence[Sequence[Hit]],
        instructions: Sequence[str] | None = None,
        *,
        texts: Texts | None = None,
    ) -> list[list[RerankedHit]]:
        """Rerank the hits of several queries at once; each distinct passage is encoded once.

        Args:
            queries: n query texts.
            hits: n lists of hits.
            instructions: n instructions, or None.
            texts: as for `rerank`.

        Returns:
            n lists of the same hits with new scores, in trec_eval's order.

        Raises:
            InputError: the lists differ in length, a hit without text, or a duplicate docid.
        """
        instructions = [""] * len(queries) if instructions is None else instructions
        if not len(queries) == len(hits) == len(instructions):
            raise InputError(
                f"`queries`, `hits` and `instructions` must have the same length, got {len(queries)}, {len(hits)} and "
                f"{len(instructions)}"
            )
        distinct: dict[str, Hit] = {}
        candidates = []
        by_docid: list[dict[str, Hit]] = []
        for number, (query, ranking, instruction) in enumerate(zip(queries, hits, instructions, strict=True)):
            documents = {hit_docid(hit): hit for hit in ranking}
            if len(documents) < len(ranking):
                raise InputError(f"query {query!r}: duplicate docid among its {counted(len(ranking), 'hit')}")
            by_docid.append(documents)
            for docid, hit in documents.items():
                distinct.setdefault(docid, hit)
            scored = [
                ScoredDoc(docid, hit_score(hit, rank)) for rank, (docid, hit) in enumerate(documents.items(), start=1)
            ]
            candidates.append(Candidates(Topic(str(number), query, instruction), trec_eval_order(scored), []))
        given = texts if isinstance(texts, Mapping) else texts.lookup(distinct) if texts else {}
        passages = {docid: given[docid] if docid in given else hit_text(hit) for docid, hit in distinct.items()}
        textless = [docid for docid, text in passages.items() if is_empty(text)]
        if textless:
            raise InputError(
                f"no text for {counted(len(textless), 'hit')}: {listed(textless)}; give `texts`, as {{docid: text}} "
                f"or open_passages(…), or search an index that stores its passages (Anserini's option storeRaw)"
            )
        run, _ = rerank(
            [each for each in candidates if each.reranked],
            passages,
            self.encoder,
            tag="instrerank",
            fusion=self.fusion,
            windows=self.windows,
        )
        return [
            [
                RerankedHit(documents[document.docid], document.docid, document.score)
                for document in run.rankings.get(str(number), [])
            ]
            for number, documents in enumerate(by_docid)
        ]

    def rerank_by_qid(
        self,
        queries: Mapping[str, str],
        hits: Mapping[str, Sequence[Hit]],
        instructions: Mapping[str, str] | None = None,
        *,
        texts: Texts | None = None,
    ) -> dict[str, list[RerankedHit]]:
        """Rerank the result of a Pyserini searcher's `batch_search`.

        Args:
            queries: query text by qid.
            hits: hits by qid, for some or all of the queries.
            instructions: instruction by qid, for some or all of the queries.
            texts: as for `rerank`.

        Returns:
            The same hits with new scores by qid, in the order of `hits`.

        Raises:
            InputError: a qid without a query, a hit without text, or a duplicate docid.
        """
        unknown = [str(qid) for qid in hits if qid not in queries]
        if unknown:
            raise InputError(f"{len(unknown)} of {len(hits)} qids have hits but no query: {listed(unknown)}")
        reranked = self.rerank_batch(
            [queries[qid] for qid in hits],
            list(hits.values()),
            [(instructions or {}).get(qid, "") for qid in hits],
            texts=texts,
        )
        return dict(zip(hits, reranked, strict=True))


class RerankingSearcher:
    """A drop-in replacement for a Pyserini searcher that reranks its hits; other attributes are the searcher's."""

    def __init__(
        self,
        searcher: Any,
        reranker: InstructionReranker,
        *,
        hits: int = 100,
        texts: Texts | None = None,
    ) -> None:
        """Wrap a searcher.

        Args:
            searcher: an object with Pyserini's `search` and `batch_search`.
            reranker: reranker for its hits.
            hits: number of first-stage hits to rerank.
            texts: passage text by docid, or a source to look it up in, for searchers whose hits have no text.
        """
        self.searcher = searcher
        self.reranker = reranker
        self.hits = hits
        self.texts = texts

    def __repr__(self) -> str:
        return f"RerankingSearcher({self.searcher!r}, {self.reranker!r}, hits={self.hits})"

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the wrapped searcher (`doc`, `num_docs`, `set_bm25`, …)."""
        if name == "searcher":
            raise AttributeError(name)
        return getattr(self.searcher, name)

    def search(self, query: str, k: int = 10, instruction: str = "", **options: Any) -> list[RerankedHit]:
        """Retrieve `hits` hits (or k, if larger), rerank them, and return the first k.

        Args:
            query: the query text.
            k: number of hits to return.
            instruction: instruction for the query.
            **options: further arguments of the searcher's `search`.

        Raises:
            InputError: a hit without text.
        """
        hits = self.searcher.search(query, k=max(k, self.hits), **options)
        return self.reranker.rerank(query, hits, instruction, texts=self.texts)[:k]

    def batch_search(
        self,
        queries: Sequence[str],
        qids: Sequence[str],
        k: int = 10,
        threads: int = 1,
        instructions: Sequence[str] | None = None,
        **options: Any,
    ) -> dict[str, list[RerankedHit]]:
        """Search and rerank many queries; each distinct passage is encoded once.

        Args:
            queries: n query texts.
            qids: their n ids.
            k: number of hits to return per query.
            threads: number of threads of the first stage.
            instructions: n instructions, or None.
            **options: further arguments of the searcher's `batch_search`.

        Returns:
            The first k hits by qid, in the order of `qids`.

        Raises:
            InputError: the lists differ in length, a duplicate qid, or a hit without text.
        """
        if len(queries) != len(qids):
            given = f"{counted(len(queries), 'query')}, but {counted(len(qids), 'qid')}"
            raise InputError(f"{given}: give each query one qid of its own")
        duplicates = [qid for qid, times in Counter(qids).items() if times > 1]
        if duplicates:
            raise InputError(f"duplicate qids {listed(duplicates)}: give each query a qid of its own")
        found = self.searcher.batch_search(list(queries), list(qids), k=max(k, self.hits), threads=threads, **options)
        hits = [found.get(qid, []) for qid in qids]
        reranked = self.reranker.rerank_batch(queries, hits, instructions, texts=self.texts)
        return {qid: ranking[:k] for qid, ranking in zip(qids, reranked, strict=True)}
