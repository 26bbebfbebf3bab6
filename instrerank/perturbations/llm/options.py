"""What language model to ask, how to reach it, and when a variant counts as keeping the meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from instrerank.errors import InputError

_OWN_FIELDS = ("messages", "model", "n", "stream")


@dataclass(frozen=True, kw_only=True)
class LanguageModelOptions:
    """Options of perturbations that ask a language model; their names are those of flags and of keys in a study.

    Attributes:
        endpoint: base URL of any service that speaks OpenAI's chat completions, such as `http://localhost:8000/v1`;
            None: use recorded answers only.
        model: its name there.
        key_variable: environment variable with the endpoint's key; sent only if it is set, and never written.
        request: further fields of each request, such as {"temperature": 0.7}; the seed of the query set is sent as
            `seed`, unless this sets another or None, which leaves it out.
        timeout: seconds until an attempt counts as failed.
        retries: attempts after a first one that timed out, could not connect, or was refused for now (429, 5xx).
        concurrency: number of requests at the same time.
        unanswered: "error"; or "keep" to keep queries unchanged that the endpoint failed to answer.
        meaning_encoder: bi-encoder that compares each variant with its original; "none": do not compare them.
        meaning_floor: least cosine with which a variant is accepted.
        nli: model of natural language inference (a sequence classifier with a label `entailment`) that a variant must
            also pass; None: not asked.
    """

    endpoint: str | None = None
    model: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    request: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 60.0
    retries: int = 5
    concurrency: int = 4
    unanswered: Literal["error", "keep"] = "error"
    meaning_encoder: str = "minilm"
    meaning_floor: float = 0.7
    nli: str | None = None

    def __post_init__(self) -> None:
        """Check that the options are valid.

        Raises:
            InputError: names the parameter, its value and what is allowed.
        """
        if self.endpoint is not None:
            _check_url(self.endpoint)
        if not isinstance(self.request, Mapping):
            raise InputError(f"`request` must be a mapping of fields to values, got {self.request!r}")
        own = [name for name in self.request if name in _OWN_FIELDS]
        if own:
            raise InputError(f"`request` must not set {', '.join(own)}: these fields are set for each request")
        try:
            json.dumps(dict(self.request), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"`request` has a value that JSON does not have: {error}") from None
        if not 0 < self.timeout < math.inf:
            raise InputError(f"`timeout` must be more than 0 seconds, got {self.timeout:g}")
        if self.retries < 0:
            raise InputError(f"`retries` must be at least 0, got {self.retries}")
        if self.concurrency < 1:
            raise InputError(f"`concurrency` must be at least 1, got {self.concurrency}")
        if self.unanswered not in ("error", "keep"):
            raise InputError(f"`unanswered` must be error or keep, got {self.unanswered!r}")
        if not -1 <= self.meaning_floor <= 1:
            raise InputError(f"`meaning_floor` must be a cosine from -1 to 1, got {self.meaning_floor:g}")

    def recorded(self) -> dict[str, Any]:
        """Return what determines the variants: not how they were fetched, which may differ from call to call."""
        data: dict[str, Any] = {"model": self.model, "meaning_encoder": self.meaning_encoder}
        if self.request:
            data["request"] = dict(self.request)
        if self.meaning_encoder != "none":
            data["meaning_floor"] = self.meaning_floor
        if self.nli is not None:
            data["nli"] = self.nli
        return data


def _check_url(url: str) -> None:
    """Refuse what is not a plain web address.

    Raises:
        InputError: another scheme, no host, or a part that may hold a secret, which is not repeated in the message.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port that is not a number, an odd bracket
        parts, host = urlsplit(""), None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "`endpoint` must not contain a user, a password, a query or a fragment: put the key into the environment "
            "variable that `key_variable` names"
        )
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or " " in url or not url.isprintable():
        raise InputError(f"`endpoint` must be a URL such as https://api.openai.com/v1, got {url!r}")
