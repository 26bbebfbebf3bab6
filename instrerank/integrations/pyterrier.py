"""PyTerrier: `bm25 >> InstrerankTransformer(reranker)` reranks result frames that include the texts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.reranking import InstructionReranker
from instrerank.trec.problems import counted, listed

try:
    import pyterrier as pt
except ImportError as error:
    raise MissingPrerequisiteError(f"PyTerrier is not installed: {pip_install('pyterrier')}") from error

if TYPE_CHECKING:
    import pandas as pd


class InstrerankTransformer(pt.Transformer):
    """A PyTerrier reranker: takes result frames and returns the same rows with new scores and ranks.

    Rows are returned in trec_eval's order with ranks from 0, so that PyTerrier, which breaks ties by row order, sees
    the same order. All other columns are kept. Passages retrieved by several queries are encoded once.
    """

    def __init__(
        self, reranker: InstructionReranker, *, text_field: str = "text", instruction_attr: str | None = None
    ) -> None:
        """Wrap a reranker.

        Args:
            reranker: the reranker, with its encoder, fusion and windows.
            text_field: column of the passage texts.
            instruction_attr: column of the instructions, the same in all rows of a query; None: no instructions.
                Terrier's retrievers pass on only topic columns whose names begin with q, so `qinstruction` is a
                good name.
        """
        self.reranker = reranker
        self.text_field = text_field
        self.instruction_attr = instruction_attr

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Rerank the documents of every query.

        Args:
            inp: one row per query and document: `qid`, `query`, `docno`, the texts, the instructions if their
                column is set, and `score` if the fusion needs it.

        Raises:
            pyterrier.validate.InputValidationError: a column is missing.
            InputError: a passage without text or with two texts, or a duplicate docno for a query.
        """
        wanted = ["query", self.text_field, *([self.instruction_attr] if self.instruction_attr else [])]
        pt.validate.result_frame(inp, extra_columns=wanted, context=self)
        self._check_texts(inp)
        queries, instructions, hits = [], [], []
        for _, rows in inp.assign(position=range(len(inp))).groupby("qid", sort=False):
            queries.append(rows["query"].iloc[0])
            instruction = rows[self.instruction_attr].iloc[0] if self.instruction_attr else ""
            instructions.append(instruction if isinstance(instruction, str) else "")  # a missing one is None or NaN
            first_stage = rows["score"] if "score" in rows else [1 / rank for rank in range(1, len(rows) + 1)]
            hits.append(
                [
                    SimpleNamespace(docid=docno, score=score, contents=text, position=position)
                    for docno, score, text, position in zip(
                        rows["docno"], first_stage, rows[self.text_field], rows["position"], strict=True
                    )
                ]
            )
        ranked = [hit for ranking in self.reranker.rerank_batch(queries, hits, instructions) for hit in ranking]
        out = inp.iloc[[hit.position for hit in ranked]].reset_index(drop=True)
        return pt.model.add_ranks(out.assign(score=[float(hit.score) for hit in ranked]))

    def schematic(self, *, input_columns: list[str] | None = None) -> dict[str, str | None]:
        """Return the labels for PyTerrier's diagrams; without `help_url` it would look one up over the network."""
        return {"label": "Instrerank", "help_url": None}

    def _check_texts(self, inp: pd.DataFrame) -> None:
        queryless = list(dict.fromkeys(inp["qid"][~inp["query"].map(_is_text)].astype(str)))
        if queryless:
            raise InputError(f"topics without text in the column query: {listed(queryless)}")
        textless = inp["docno"][~inp[self.text_field].map(_is_text)]
        if len(textless):
            names = listed([str(docno) for docno in textless])
            raise InputError(f"no text in the column {self.text_field} of {counted(len(textless), 'row')}: {names}")
        texts = inp.groupby("docno")[self.text_field].nunique(dropna=False)
        several = [str(docno) for docno in texts.index[texts > 1]]
        if several:
            raise InputError(
                f"several texts in the column {self.text_field} for {counted(len(several), 'docno')}: "
                f"{listed(several)}; a passage is encoded once for all queries, so its text must be the same"
            )


def _is_text(value: object) -> bool:
    """Return whether a cell holds a text: a missing one is None or NaN."""
    return isinstance(value, str) and bool(value.strip())
