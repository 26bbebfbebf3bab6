"""An endpoint that speaks OpenAI's chat completions: requests in, answers or counted failures out."""

from __future__ import annotations

import ipaddress
import os
import threading
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from instrerank.errors import InputError, InstrerankError, InstrerankWarning, MissingPrerequisiteError, pip_install
from instrerank.perturbations.llm.options import LanguageModelOptions

_MOST_FAILURES = 8
"""Failures in a row after which an endpoint is given up."""

_FILTERED = ("content_filter", "content_policy_violation")
"""Codes with which OpenAI's and Azure's services refuse a text as such."""


class Answer(NamedTuple):
    """What a language model replied.

    Attributes:
        text: the reply, "" for none.
        finish: why it ended: `stop`, `length`, `content_filter`, …
    """

    text: str
    finish: str


class _Unanswered(Exception):
    """A request failed after all retries, which is counted.

    Attributes:
        down: whether the endpoint cannot be reached, so that no other request has to be tried.
        misunderstood: whether one of the two does not understand the other, rather than being busy.
    """

    def __init__(self, reason: str, *, down: bool = False, misunderstood: bool = False) -> None:
        super().__init__(reason)
        self.down, self.misunderstood = down, misunderstood


class Endpoint:
    """A client of one model at one endpoint.

    Attributes:
        failures: reasons of the requests that failed in the last `ask_all`, with their numbers.
        gave_up: whether that call left requests out because the endpoint kept failing.
    """

    def __init__(self, options: LanguageModelOptions) -> None:
        """Make the client; nothing is sent.

        Raises:
            InputError: no endpoint, or a key that cannot be sent.
            MissingPrerequisiteError: the package openai is missing, or a named variable is not set.
        """
        if options.endpoint is None:
            raise InputError("`endpoint` is missing: give the URL of a service that speaks OpenAI's chat completions")
        try:
            import openai
        except ImportError as error:
            raise MissingPrerequisiteError(f"asking a language model needs openai: {pip_install('llm')}") from error
        self.url, self.failures, self.gave_up = options.endpoint, Counter[str](), False
        self._options, self._key, self._misunderstood = options, _key(options), 0
        try:
            self._client = openai.OpenAI(
                api_key=self._key,
                base_url=self.url,
                timeout=options.timeout,
                max_retries=options.retries,
                # the texts and the key go to the address that was given, nowhere else
                http_client=openai.DefaultHttpxClient(follow_redirects=False),
            )
        except Exception as error:  # of httpx: an address or a proxy that it cannot use
            raise InputError(f"`endpoint` {self.url} cannot be used: {self._safe(str(error))}") from None

    def ask_all(self, messages: Sequence[str], seed: int) -> Iterator[tuple[str, Answer]]:
        """Yield each message with its answer, as they come; failures are counted, not raised.

        After an error that concerns all requests, those under way are still awaited, so that no answer is lost.

        Raises:
            InputError: the endpoint does not know the model or the address.
            MissingPrerequisiteError: the endpoint refuses the key.
        """
        self.failures, self.gave_up, self._misunderstood = Counter(), False, 0
        fatal: InstrerankError | None = None
        waiting, expected, in_a_row = deque(messages), len(messages), 0
        done = self._started(waiting, seed)
        while expected:
            message, result = done.get()
            expected -= 1
            if isinstance(result, Answer):
                in_a_row = 0
                yield message, result
            elif isinstance(result, _Unanswered):
                self.failures[str(result)] += 1
                self._misunderstood += result.misunderstood
                in_a_row += 1
                self.gave_up |= result.down or in_a_row >= _MOST_FAILURES
            elif isinstance(result, InstrerankError):
                fatal = result
            else:
                raise result
            if self.gave_up or fatal:
                expected -= _emptied(waiting)
        if fatal is not None:
            raise fatal

    def _started(self, waiting: deque[str], seed: int) -> SimpleQueue[tuple[str, Answer | Exception]]:
        """Start threads that take the messages, and return the queue in which they put what becomes of them."""
        done: SimpleQueue[tuple[str, Answer | Exception]] = SimpleQueue()

        def work() -> None:
            while True:
                try:
                    message = waiting.popleft()
                except IndexError:
                    return
                try:
                    done.put((message, self._ask(message, seed)))
                except Exception as error:
                    done.put((message, error))

        for _ in range(min(self._options.concurrency, len(waiting))):
            # daemons: an interrupt does not wait for the endpoint
            threading.Thread(target=work, daemon=True).start()
        return done

    def failure(self, missing: int, asked: int, kept: str) -> InstrerankError:
        """Return the error that says what was not answered, and how to go on.

        Args:
            missing: number of messages without an answer.
            asked: number of messages.
            kept: where the answers are.
        """
        reasons = "; ".join(f"{number} × {reason}" for reason, number in self.failures.most_common(3))
        given_up = ", given up" if self.gave_up else ""
        kind = InputError if self._misunderstood == self.failures.total() else MissingPrerequisiteError
        return kind(
            f"{self.url} did not answer {missing} of {asked} requests{given_up}: {reasons}. "
            f"{kept} Repeat the call to ask for the rest"
            + ("" if self.gave_up else ", or keep these queries unchanged with `unanswered`: keep")
        )

    def _ask(self, message: str, seed: int) -> Answer:
        import openai

        fields = {"seed": seed, **self._options.request}
        try:
            completion = self._client.chat.completions.create(
                model=self._options.model or "",
                messages=[{"role": "user", "content": message}],
                extra_body={name: value for name, value in fields.items() if value is not None},
            )
        except openai.APITimeoutError:
            raise _Unanswered(f"no answer within {self._options.timeout:g} s") from None
        except openai.APIStatusError as error:
            if error.code in _FILTERED:
                return Answer("", "content_filter")
            said = error.body.get("message") if isinstance(error.body, dict) else None
            raise self._refusal(error.status_code, self._safe(str(said or error.message))) from None
        except openai.APIConnectionError as error:
            cause = self._safe(str(error.__cause__ or error))
            raise _Unanswered(f"the endpoint cannot be reached ({cause})", down=True) from None
        except (openai.APIError, ValueError):  # a body that is not JSON, or not of this protocol
            raise self._nonsense() from None
        return self._read(completion)

    def _read(self, completion: Any) -> Answer:
        try:
            choice = completion.choices[0]
            text, finish = choice.message.content, choice.finish_reason
            refused = getattr(choice.message, "refusal", None)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise self._nonsense() from None
        if not isinstance(text, str | None):
            raise self._nonsense()
        # JSON can hold halves of surrogate pairs and NUL, text files cannot
        readable = (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
        return Answer(readable, "content_filter" if refused else str(finish or ""))

    def _refusal(self, status: int, message: str) -> Exception:
        """Return the error for a status that is not success."""
        if status in (401, 403):
            variable = self._options.key_variable
            what = f"refuses the key in {variable}" if self._key else f"asks for a key: set {variable}"
            return MissingPrerequisiteError(f"{self.url} {what} ({status}: {message})")
        if status == 404 or 300 <= status < 400:
            return InputError(
                f"{self.url} does not serve {self._options.model} ({status}: {message}): check `model`, and that "
                f"`endpoint` is the base URL, which usually ends in /v1"
            )
        return _Unanswered(f"{status}: {message}", misunderstood=status < 500 and status not in (408, 409, 429))

    def _nonsense(self) -> _Unanswered:
        return _Unanswered("not a chat completion (does `endpoint` end in /v1?)", misunderstood=True)

    def _safe(self, message: str) -> str:
        """Return a message of the endpoint as one short line without the key."""
        if self._key:
            message = message.replace(self._key, "***")
        printable = "".join(sign if sign.isprintable() else " " for sign in message)
        line = " ".join(printable.split())
        return line if len(line) <= 200 else f"{line[:199]}…"


def _emptied(waiting: deque[str]) -> int:
    """Remove all messages that no thread has taken, and return their number."""
    removed = 0
    while True:
        try:
            waiting.popleft()
        except IndexError:
            return removed
        removed += 1


def _key(options: LanguageModelOptions) -> str:
    """Return the endpoint's key from the environment, "" for none.

    Raises:
        InputError: it cannot be sent in a header.
        MissingPrerequisiteError: another variable than the default was named and is not set.
    """
    variable = options.key_variable
    key = os.environ.get(variable, "").strip()
    if not key and variable != LanguageModelOptions.key_variable:
        raise MissingPrerequisiteError(f"the environment variable {variable} (`key_variable`) is not set")
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the key in {variable} has characters that cannot be sent: set it again")
    host = urlsplit(options.endpoint or "")
    if key and host.scheme == "http" and not _is_this_machine(host.hostname or ""):
        warnings.warn(
            f"the key in {variable} goes to {host.hostname} unencrypted: use https, or unset it if it is not needed",
            InstrerankWarning,
            stacklevel=2,
        )
    return key


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
