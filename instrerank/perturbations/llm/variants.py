"""Perturbations by a language model: one for each recorded prompt, registered like all others."""

from __future__ import annotations

import functools
import json
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.perturbations.base import Perturbed, generator, rewritten
from instrerank.perturbations.llm.answers import AnswerFile, Question
from instrerank.perturbations.llm.endpoint import Answer, Endpoint
from instrerank.perturbations.llm.meaning import MeaningFilter
from instrerank.perturbations.llm.options import LanguageModelOptions
from instrerank.perturbations.llm.prompts import PROMPTS, VERSION, Prompt
from instrerank.perturbations.llm.reading import Reading, read_variant
from instrerank.perturbations.registry import register
from instrerank.trec.problems import counted
from instrerank.trec.types import Topic

log = logging.getLogger(__name__)

NEEDS = "a language model (`model`, and an `endpoint` for answers that are not recorded yet)"


class LanguageModel:
    """A language model with its recorded answers and the filter that its variants must pass.

    Attributes:
        unasked: number of messages that are not recorded and were not asked, since `ask` is False.
    """

    def __init__(self, options: LanguageModelOptions, folder: str | Path | None = None, *, ask: bool = True) -> None:
        """Read the recorded answers; nothing is asked yet.

        Args:
            options: the model, its endpoint and the filter.
            folder: folder of the query sets, where answers are recorded in `answers.jsonl`; None: keep them in memory.
            ask: False: use recorded answers only, and count the others.

        Raises:
            InputError: no model, or recorded answers that cannot be read.
        """
        if not options.model:
            raise InputError("`model` is missing: give the name of a language model at the endpoint")
        self.unasked = 0
        self._options, self._ask = options, ask
        self._request = json.dumps(dict(options.request), sort_keys=True)
        self._answers = AnswerFile(None if folder is None else Path(folder))
        self._filter = MeaningFilter(options)

    @functools.cached_property
    def _endpoint(self) -> Endpoint:
        return Endpoint(self._options)

    def __repr__(self) -> str:
        """Return model and endpoint."""
        return f"LanguageModel({self._options.model!r}, endpoint={self._options.endpoint!r})"

    def describe(self) -> dict[str, Any]:
        """Return what determines the variants, for the record of a query set; the endpoint is with the answers."""
        described: dict[str, Any] = {"model": self._options.model, "prompts": VERSION}
        if self._options.request:
            described["request"] = dict(self._options.request)
        return described | {"filter": self._filter.describe()}

    def variants(self, prompt: Prompt, topics: Sequence[Topic], seed: int) -> dict[str, Reading]:
        """Return the variant of each topic by qid, or the reason why it is rejected.

        Args:
            prompt: which kind of variant.
            topics: the clean topics; those without the field that the prompt changes are left out.
            seed: of the query set.

        Raises:
            InputError: the endpoint is missing, or does not serve this model.
            MissingPrerequisiteError: the endpoint refuses the key, cannot be reached, or did not answer all requests.
        """
        name = f"llm-{prompt.name}"
        topics = [topic for topic in topics if getattr(topic, prompt.changes)]
        messages = {topic.qid: prompt.message(topic, generator(seed, name, topic.qid)) for topic in topics}
        answers = self._answered(prompt, list(dict.fromkeys(messages.values())), seed)
        variants: dict[str, Reading] = {}
        pairs: dict[str, tuple[str, str]] = {}
        for topic in topics:
            answer, original = answers.get(messages[topic.qid]), getattr(topic, prompt.changes)
            variants[topic.qid] = Reading("", "unanswered") if answer is None else read_variant(answer, original)
            if text := variants[topic.qid].text:
                pairs[topic.qid] = original, text
        for qid, reason in zip(pairs, self._filter.reasons(list(pairs.values()), adds=prompt.adds), strict=True):
            if reason:
                variants[qid] = Reading("", reason)
        return variants

    def _answered(self, prompt: Prompt, messages: Sequence[str], seed: int) -> dict[str, Answer]:
        """Return the answers by message; those that are not recorded are asked for."""
        model = self._options.model or ""
        questions = {message: Question(model, self._request, seed, message) for message in messages}
        missing = [message for message in messages if self._answers.get(questions[message]) is None]
        if missing and self._ask:
            self._fetch(prompt, questions, missing, seed)
        elif missing:
            self.unasked += len(missing)
        found = {message: self._answers.get(question) for message, question in questions.items()}
        return {message: answer for message, answer in found.items() if answer is not None}

    def _fetch(self, prompt: Prompt, questions: dict[str, Question], missing: Sequence[str], seed: int) -> None:
        path = self._answers.path
        if self._options.endpoint is None:
            where = f"recorded in {path}" if path else "recorded without `output`"
            raise InputError(
                f"llm-{prompt.name}: {len(missing)} of {counted(len(questions), 'answer')} of {self._options.model} "
                f"not {where}: give the `endpoint` to ask for them"
            )
        endpoint = self._endpoint
        log.info(
            f"llm-{prompt.name}, seed {seed}: asking {self._options.model} at {endpoint.url} for "
            f"{counted(len(missing), 'answer')}; {len(questions) - len(missing)} recorded before"
        )
        answered = 0
        with self._answers.adding() as add:
            asked = [message for message in missing if self._answers.get(questions[message]) is None]
            for message, answer in endpoint.ask_all(asked, seed):
                add(questions[message], answer, {"prompt": f"{prompt.name}.v{VERSION}", "endpoint": endpoint.url})
                answered += 1
        unanswered = len(asked) - answered
        if unanswered and (endpoint.gave_up or self._options.unanswered == "error"):
            kept = f"The other answers are kept in {path}." if path else "Without `output`, no answer is kept."
            raise endpoint.failure(unanswered, len(asked), kept)
        if unanswered:
            log.warning(
                f"llm-{prompt.name}, seed {seed}: {unanswered} of {len(asked)} requests were not answered; these "
                f"queries stay unchanged, and a later call asks again"
            )


def _register(prompt: Prompt) -> None:
    def variants(
        topics: Sequence[Topic], seed: int, *, language_model: LanguageModel
    ) -> Callable[[Topic, random.Random], Perturbed]:
        found = language_model.variants(prompt, topics, seed)

        def replace(topic: Topic, rng: random.Random) -> Perturbed:
            text, reason = found.get(topic.qid, Reading(""))
            return rewritten(topic, text, name, prompt.changes) if text else Perturbed(topic, topic, reason=reason)

        return replace

    variants.__doc__ = prompt.summary
    name = f"llm-{prompt.name}"
    register(
        name,
        family=name,
        expects="invariance",
        changes=prompt.changes,
        needs_review=True,
        needs=NEEDS,
        over_topics=True,
    )(variants)


for _prompt in PROMPTS:
    _register(_prompt)
