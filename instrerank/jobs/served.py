"""A first stage from a server: its answers, kept topic by topic, and the texts that come with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from instrerank.anserini.rest import Candidate, SearchServer
from instrerank.encoders.progress import counted as counting
from instrerank.errors import InputError, InstrerankError
from instrerank.files import parse_json, whole_file
from instrerank.files.places import reason_of
from instrerank.trec import ScoredDoc, Topic, trec_eval_order
from instrerank.trec.problems import counted


class Answers:
    """The answers of a server in a file beside the run, from which an interrupted search continues.

    The first line holds the configuration of the run, every other one a topic: a killed process loses at most the
    answer that it was writing.

    Attributes:
        path: the file.
        qids: qids of the topics answered.
    """

    def __init__(self, output: Path, wanted: str, *, resume: bool, overwrite: bool) -> None:
        """Continue the answers of an interrupted search, or start new ones.

        Args:
            output: the run that they are for.
            wanted: its configuration, from `configuration`.
            resume: continue.
            overwrite: drop answers that are there.

        Raises:
            InputError: there are answers, and neither `resume` nor `overwrite`; or they belong to another run.
        """
        self.path = output.with_name(f"{output.name}.answers.jsonl")
        self.qids: set[str] = set()
        self._wanted = wanted
        kept = self._whole_lines() if self.path.exists() and not overwrite else []
        if len(kept) < 2:
            self.path.unlink(missing_ok=True)
            return
        if kept[0].get("configuration") != wanted:
            raise InputError(
                f"{self.path} holds the answers for a run made with another configuration: choose another `output`, "
                f"or drop them with `overwrite`"
            )
        if not resume:
            raise InputError(
                f"{self.path} holds the answers to {counted(len(kept) - 1, 'topic')} of an interrupted search: "
                f"continue with `resume`, or ask anew with `overwrite`"
            )
        self.qids = {each["qid"] for each in kept[1:]}

    def add(self, qid: str, candidates: Sequence[Candidate]) -> None:
        """Keep the answer to a topic.

        Raises:
            InputError: the file cannot be written.
        """
        lines: list[dict[str, Any]] = [] if self.qids else [{"configuration": self._wanted}]
        lines.append({"qid": qid, "candidates": candidates})
        try:
            with self.path.open("ab") as file:
                file.writelines(f"{json.dumps(line, ensure_ascii=False)}\n".encode() for line in lines)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {reason_of(error)}") from error
        self.qids.add(qid)

    def __iter__(self) -> Iterator[tuple[str, list[Candidate]]]:
        """Yield every qid with the answer, in the order in which they came."""
        if not self.qids:
            return
        with self.path.open(encoding="utf-8", newline="\n") as file:
            next(file)
            for line in file:
                answer = json.loads(line)
                yield answer["qid"], [Candidate(*each) for each in answer["candidates"]]

    def _whole_lines(self) -> list[dict[str, Any]]:
        """Return the lines, without the candidates, after cutting off a last one that was not written to its end."""
        lines, end = [], 0
        with self.path.open("rb+") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                fields = parse_json(line.decode("utf-8", "replace"), f"{self.path}:{number}")
                if not isinstance(fields, dict) or ("configuration" not in fields and "qid" not in fields):
                    raise InputError(f"{self.path}:{number}: not an answer of a server: choose another `output`")
                lines.append({key: fields[key] for key in fields if key != "candidates"})
            file.truncate(end)
        return lines


def server_stage(server: SearchServer, hits: int, remove_query: bool = False) -> dict[str, Any]:
    """Return what is known of the search of a server, as a stage of ir_metadata's `retrieval`."""
    return {
        "name": "first stage",
        "method": "REST API v1 of Anserini and Pyserini",
        "server": server.url,
        **({"remove query": True} if remove_query else {}),
        "hits": hits,
        "index": {"source": server.index},
    }


def ask(server: SearchServer, topics: Sequence[Topic], hits: int, answers: Answers) -> dict[str, list[ScoredDoc]]:
    """Ask a server for every topic that is not answered yet, one after the other.

    Returns:
        Rankings by qid, in the order of the topics: the documents and scores of the server, in trec_eval's order.

    Raises:
        InstrerankError: as `SearchServer.search`; the message says how to continue.
    """
    waiting = [topic for topic in topics if topic.qid not in answers.qids]
    with counting(len(waiting), "topics answered", "topic", progress=False) as count:
        for topic in waiting:
            try:
                answers.add(topic.qid, server.search(topic.text, hits))
            except InstrerankError as error:
                done = f"{len(answers.qids)} of {counted(len(topics), 'topic')}"
                raise type(error)(
                    f"topic {topic.qid}: {error}"
                    + (f" ({done} answered: continue with `resume`)" if answers.qids else "")
                ) from error
            count(1)
    found = {
        qid: trec_eval_order(ScoredDoc(each.docid, each.score) for each in candidates) for qid, candidates in answers
    }
    return {topic.qid: found[topic.qid] for topic in topics}


def write_texts(path: Path, answers: Answers) -> dict[str, int]:
    """Write the text of every document found, once, as `{"id": …, "contents": …}` lines; return their counts."""
    texts: dict[str, bool] = {}
    with whole_file(path) as file:
        for _, candidates in answers:
            for docid, _, text in candidates:
                if docid not in texts and text is not None:
                    file.write(json.dumps({"id": docid, "contents": text}, ensure_ascii=False) + "\n")
                texts.setdefault(docid, text is not None)
    return {"passages": sum(texts.values()), "passages without text": len(texts) - sum(texts.values())}
