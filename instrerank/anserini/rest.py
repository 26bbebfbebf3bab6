"""Search an index on a server of Anserini or Pyserini through its REST API: without Java, and without the index.

The interface is `GET /v1/{index}/search` of the `openapi.yaml` that Anserini 1.7 (`io.anserini.api.RestServer`) and
Pyserini 2 (`python -m pyserini.server.rest`) ship. The servers of earlier releases have other interfaces.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any, NamedTuple, NoReturn

from instrerank.anserini.passages import stored_text
from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError
from instrerank.files import parse_json
from instrerank.trec.passages import passage_of_fields
from instrerank.trec.records import unfit_id
from instrerank.version import __version__

log = logging.getLogger(__name__)

TOKEN = "PYSERINI_API_TOKEN"
"""Environment variable of the access token, as the TREC RAG track names it."""

_RETRIED = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 300


class Candidate(NamedTuple):
    """A document that a server found.

    Attributes:
        docid: its id.
        score: its score, in the precision of the server.
        text: title and text as `IndexPassages` would return them; None if the index stores none.
    """

    docid: str
    score: float
    text: str | None


class SearchServer:
    """An index that a server searches.

    Attributes:
        url: address of the server, without a path.
        index: name of the index on the server.
    """

    def __init__(self, url: str, index: str, *, timeout: float = 60, attempts: int = 5) -> None:
        """Take the address; nothing is asked yet.

        Args:
            url: address of the server, such as `http://localhost:8081`; a path `/v1` at its end is ignored.
            index: name of the index on the server.
            timeout: seconds to wait for an answer.
            attempts: how often to ask before giving up; from one to the next, the wait doubles, unless the server
                says when to ask again (`Retry-After`).

        Raises:
            InputError: the address is not of the form `http://HOST`, or contains a password.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InputError(f"`server` must be an address like http://localhost:8081, got {url!r:.100}")
        if "@" in parts.netloc:
            raise InputError(f"`server` must not contain a password, which sidecars would record: set {TOKEN} instead")
        self.url = re.sub(r"(/v1)?/*$", "", url)
        self.index = index
        self._timeout = timeout
        self._attempts = attempts

    def search(self, query: str, hits: int) -> list[Candidate]:
        """Return the best documents for a query with their texts, best first, in the server's order.

        Raises:
            InputError: the server has no such index, refuses the query, or does not speak this interface.
            MissingPrerequisiteError: no answer, too many requests, or no valid access token.
            InstrerankError: the server failed on this query.
        """
        # the stored document as it is, so that its text is read here as for an index of this machine
        asked = urllib.parse.urlencode({"query": query, "hits": hits, "parse": "false"})
        body = self._get(f"{self.url}/v1/{urllib.parse.quote(self.index, safe='')}/search?{asked}")
        place = f"answer of {self.url}"
        answer = parse_json(body, place)
        found = answer.get("candidates") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise InputError(f"{place}: expected an object with candidates, got {body!r:.80}; {_OTHER_SERVER}")
        candidates = [_candidate(each, place) for each in found]
        twice = [docid for docid, count in Counter(each.docid for each in candidates).items() if count > 1]
        if twice:
            raise InputError(f"{place}: duplicate docid {twice[0]}")
        return candidates[:hits]

    def _get(self, url: str) -> str:
        """Return the body of an answer, asking again as long as that may help."""
        request = urllib.request.Request(url, headers={"User-Agent": f"instrerank/{__version__}"})
        token = os.environ.get(TOKEN, "").strip()
        if token:
            # unredirected: a redirection to another host does not see it
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        reason: Exception = TimeoutError()
        for attempt in range(1, self._attempts + 1):
            wait = 2.0 ** (attempt - 1)
            try:
                with urllib.request.urlopen(request, timeout=self._timeout) as response:
                    content: bytes = response.read()
                    return content.decode("utf-8", "replace")
            except urllib.error.HTTPError as error:
                if error.code not in _RETRIED:
                    self._refuse(error)
                reason, asked_for = error, error.headers.get("Retry-After", "")
                wait = min(float(asked_for), _LONGEST_WAIT) if asked_for.isdecimal() else wait
            except (OSError, http.client.HTTPException) as error:  # no connection, a timeout, half an answer
                reason = error
            if attempt < self._attempts:
                log.warning(f"{self.url}: {_shown(reason)}; asking again in {wait:g} s")
                time.sleep(wait)
        if isinstance(reason, urllib.error.HTTPError) and reason.code == 500:
            raise InstrerankError(f"{self.url} failed on a query: {_message(reason)}") from reason
        raise MissingPrerequisiteError(
            f"{self.url} does not answer ({_shown(reason)}, {self._attempts} attempts): check `server`, or try later"
        ) from reason

    def _refuse(self, error: urllib.error.HTTPError) -> NoReturn:
        message = _message(error)
        if error.code in (401, 403):
            raise MissingPrerequisiteError(
                f"{self.url} requires a valid access token ({message}): set {TOKEN}"
            ) from error
        if error.code == 400 and re.search(r"\bindex\b", message, re.IGNORECASE):
            raise InputError(f"{self.url} cannot search the index {self.index}: {message}") from error
        hint = f"; {_OTHER_SERVER}" if error.code in (404, 405) else ""
        raise InputError(f"{self.url} refuses to search {self.index}: {message}{hint}") from error


_OTHER_SERVER = "is it a server of Anserini 1.7 or Pyserini 2, or later?"


def _candidate(fields: Any, place: str) -> Candidate:
    if not isinstance(fields, dict):
        raise InputError(f"{place}: expected candidates with docid, score and doc, got {fields!r:.80}")
    docid, score, document = (fields.get(name) for name in ("docid", "score", "doc"))
    if not isinstance(docid, str) or isinstance(score, bool) or not isinstance(score, int | float):
        raise InputError(f"{place}: expected candidates with docid, score and doc, got {fields!r:.80}")
    if problem := unfit_id(docid):
        raise InputError(f"{place}: docid {docid!r:.60} {problem}")
    if not math.isfinite(score):
        raise InputError(f"{place}: docid {docid} has the score {score}")
    if isinstance(document, dict):  # from a server that parses it whatever it is asked
        text: str | None = passage_of_fields({**document, "docid": docid}, f"{place}: document {docid}").text
    elif isinstance(document, str | None):
        text = stored_text(docid, document, None)
    else:
        raise InputError(f"{place}: document {docid} is {type(document).__name__}, expected its stored text")
    return Candidate(docid, float(score), text)


def _message(error: urllib.error.HTTPError) -> str:
    """Return the server's own words (`{"error": …}`), or else the status."""
    try:
        return str(json.loads(error.read())["error"])[:200]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return f"{error.code} {error.reason}"


def _shown(reason: Exception) -> str:
    if isinstance(reason, urllib.error.HTTPError):
        return f"{reason.code} {reason.reason}"
    cause = reason.reason if isinstance(reason, urllib.error.URLError) else reason
    return str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
