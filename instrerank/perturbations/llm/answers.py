"""The answers of language models in a file: asked once, the same bytes ever after."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.files import check_writable, one_process, parse_json
from instrerank.files.places import reason_of
from instrerank.perturbations.llm.endpoint import Answer

log = logging.getLogger(__name__)

FILE = "answers.jsonl"
"""Name of the file in the folder of query sets."""


class Question(NamedTuple):
    """Everything that determines an answer.

    Attributes:
        model: name of the model.
        request: further fields of the request, as JSON with sorted keys.
        seed: seed of the query set.
        message: the message: the prompt with the text in it.
    """

    model: str
    request: str
    seed: int
    message: str


class AnswerFile:
    """Answers by question, in memory and in a JSON Lines file to which each new one is appended."""

    def __init__(self, folder: Path | None) -> None:
        """Read the file in `folder`, if it exists; without a folder, answers are kept in memory only.

        Raises:
            InputError: the file cannot be read, or a line is not an answer.
        """
        self.path = None if folder is None else folder / FILE
        self._answers: dict[Question, Answer] = {}
        self._size = 0
        self._load()

    def get(self, question: Question) -> Answer | None:
        """Return the recorded answer, or None."""
        return self._answers.get(question)

    @contextmanager
    def adding(self) -> Iterator[Callable[[Question, Answer, Mapping[str, Any]], None]]:
        """Yield a function that records an answer: (question, answer, further fields of its line).

        Raises:
            InputError: another process is adding answers, or the file cannot be written.
        """
        path = self.path
        if path is None:
            yield lambda question, answer, more: self._answers.update({question: answer})
            return
        check_writable(path)
        with one_process(path):
            self._load()  # what another process has added since
            try:
                with path.open("ab") as file:
                    file.truncate(self._size)

                    def add(question: Question, answer: Answer, more: Mapping[str, Any]) -> None:
                        self._answers[question] = answer
                        self._size += file.write(_line(question, answer, more))
                        file.flush()

                    yield add
            except OSError as error:
                raise InputError(f"cannot write {path}: {reason_of(error)}") from error

    def _load(self) -> None:
        if self.path is None or not self.path.exists():
            return
        try:
            if self.path.stat().st_size == self._size:
                return
            content = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {reason_of(error)}") from error
        self._size = content.rfind(b"\n") + 1
        if self._size < len(content):
            log.warning(f"{self.path}: the last line is incomplete (a call was killed): it is asked for again")
        for number, line in enumerate(content[: self._size].split(b"\n")[:-1], start=1):
            question, answer = _read(line, f"{self.path}:{number}")
            self._answers.setdefault(question, answer)


def _line(question: Question, answer: Answer, more: Mapping[str, Any]) -> bytes:
    record = {
        "model": question.model,
        **more,
        "request": json.loads(question.request),
        "seed": question.seed,
        "message": question.message,
        "answer": answer.text,
        "finish": answer.finish,
    }
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()


def _read(line: bytes, place: str) -> tuple[Question, Answer]:
    try:
        record = parse_json(line.decode(), place)
        request = json.dumps(record["request"], sort_keys=True)
        question = Question(record["model"], request, record["seed"], record["message"])
        answer = Answer(record["answer"], record["finish"])
        texts = (question.model, question.message, *answer)
        if not (all(isinstance(text, str) for text in texts) and isinstance(question.seed, int)):
            raise TypeError
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: not a recorded answer: remove the line to ask again") from error
    return question, answer
