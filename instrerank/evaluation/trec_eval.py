"""Measures by trec_eval's names and with its parameters, computed by its own C code (pytrec_eval-terrier).

That code does not survive unusual input: it exits the process on a parameter that it cannot parse and on a topic
with only grades below −1, and returns 0 if a grade is too large for its memory. Such input is rejected, or converted
to an equivalent form, before it gets there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from instrerank.errors import InputError
from instrerank.evaluation.means import total
from instrerank.trec import Qrels

LARGEST_GRADE = 10_000_000
"""Limit because trec_eval keeps an eight-byte counter for every grade from 0 to the largest."""

LARGEST_GAIN = 10_000
"""Limit for measures that look up a gain for every grade, in time quadratic in the largest grade."""

LARGEST_CUTOFF = 10**9

# geometric means take log(max(value, 0.00001)) (trec_eval's MIN_GEO_MEAN)
_LOG_OF_ZERO = math.log(0.00001)

# strings, not numbers: trec_eval prints them, nothing can average them
_NOT_NUMBERS = ("runid", "relstring")

_NUMBER = r"-?(\d+\.?\d*|\.\d+)"
_RANKS = ("P", "recall", "ndcg_cut", "map_cut", "success", "relative_P")
_SHARES = ("Rprec_mult", "iprec_at_recall")
_GAINS = ("ndcg", "Rndcg", "ndcg_rel", "G")
# the form of the part after the dot, and its description
_PARAMETERS = {
    **dict.fromkeys(_RANKS, (r"\d+(,\d+)*", "cutoffs must be integers, at least 1, such as {}.10,20")),
    **dict.fromkeys(_SHARES, (r"\d{1,3}(\.\d+)?(,\d{1,3}(\.\d+)?)*", "cutoffs must be numbers, such as {}.0.10,0.20")),
    **dict.fromkeys(
        _GAINS, (rf"\d+={_NUMBER}(,\d+={_NUMBER})*", "gains must be written as grade=gain, such as {}.1=1,2=3")
    ),
    "set_F": (r"\d+(\.\d+)?", "beta must be one number, such as {}.0.5"),
    "utility": (rf"{_NUMBER}(,{_NUMBER}){{3}}", "the coefficients must be four numbers, such as {}.1,-1,0,0"),
    "11pt_avg": (r"\d+(\.\d+)?(,\d+(\.\d+)?)*", "recall levels must be numbers, such as {}.0.1,0.5"),
}
_TOPICS_AT_ONCE = 100
"""Dictionaries of all topics of a large run take gigabytes."""
_NO_DOCUMENT = "\x01"
"""A docid that no run contains."""


ScoredTopics = Callable[[], Iterator[tuple[str, dict[str, float]]]]


class Request(NamedTuple):
    """A requested measure.

    Attributes:
        base: trec_eval's name without parameters.
        parameters: the part after the dot, cutoffs in ascending order; "" for trec_eval's defaults.
        printed: the names that trec_eval prints; none for default cutoffs, whose names come with the values.
    """

    base: str
    parameters: str = ""
    printed: tuple[str, ...] = ()


def names() -> list[str]:
    """Return the names of trec_eval's numeric measures, without parameters."""
    import pytrec_eval

    return sorted(pytrec_eval.supported_measures - {*_NOT_NUMBERS})


def parse(name: str) -> list[Request] | None:
    """Parse the name of a measure; None if it is not one of trec_eval's.

    Args:
        name: `map`, `ndcg_cut.10`, `recall.50,100`, `set_F.0.5`, `ndcg.1=1,2=3`, a nickname (`official`), or a printed
            name (`ndcg_cut_10`).

    Raises:
        InputError: parameters that trec_eval cannot parse, or ignores; a nickname of measures for other judgements.
    """
    import pytrec_eval

    nicknamed = pytrec_eval.supported_nicknames.get(name)
    if nicknamed is not None:
        members = sorted(nicknamed - {*_NOT_NUMBERS})
        if not set(members) <= {*names()}:
            raise InputError(f"{name}: preferences and judgement groups (trec_eval -R) are not supported")
        return [Request(member) for member in members]
    for base in sorted(names(), key=len, reverse=True):
        if name == base:
            return [Request(base)]
        if name.startswith(f"{base}.") or re.match(rf"{re.escape(base)}_\d", name):
            return [_with_parameters(base, name[len(base) + 1 :])]
    return None


def _with_parameters(base: str, parameters: str) -> Request:
    name = f"{base}.{parameters}"
    if base not in _PARAMETERS:
        hint = f"; use {base}_cut.10 for a cutoff" if f"{base}_cut" in _RANKS else ""
        raise InputError(f"{name}: {base} takes no parameters{hint}")
    form, explanation = _PARAMETERS[base]
    explanation = explanation.format(base)
    if base in _GAINS and f"{base}_cut" in _RANKS and re.fullmatch(r"\d+", parameters):
        explanation = f"{explanation}; did you mean {base}_cut.{parameters}?"
    if not re.fullmatch(form, parameters, re.ASCII):
        raise InputError(f"{name}: {explanation}")
    if base in _RANKS:
        ranks = sorted({int(rank) for rank in parameters.split(",") if len(rank) < 20})
        if not ranks or not 1 <= ranks[0] <= ranks[-1] <= LARGEST_CUTOFF:
            raise InputError(f"{name}: {explanation}, and at most {LARGEST_CUTOFF}")
        return Request(base, ",".join(map(str, ranks)), tuple(f"{base}_{rank}" for rank in ranks))
    if base in _SHARES:
        shares = sorted({float(share) for share in parameters.split(",")})
        printed = tuple(f"{base}_{share:3.2f}" for share in shares)
        if len(set(printed)) < len(printed):
            raise InputError(f"{name}: two cutoffs have the same name when printed with trec_eval's two decimals")
        return Request(base, ",".join(f"{share!r}" for share in shares), printed)
    return Request(base, parameters, (f"{base}_{parameters}",))


def score(
    requests: Sequence[Request], qrels: Qrels, topics: ScoredTopics, relevance_level: int
) -> tuple[dict[Request, list[str]], dict[str, dict[str, float]]]:
    """Return the printed names of each request, and their values by qid.

    Args:
        requests: from `parse`.
        qrels: from `without_traps`.
        topics: yields judged topics with results, each with its scores by docid; called once or several times.
        relevance_level: minimum grade that counts as relevant.

    Raises:
        InputError: a value is not a number, caused by unusual gains.
    """
    import pytrec_eval_ext  # type: ignore[import-not-found]

    found: dict[str, dict[str, float]] = {}
    printed: dict[Request, list[str]] = {}
    for batch in _batches(requests):
        asked = {f"{base}.{given}" if given else base for base, given in _combined(batch).items()}
        iterator = topics()
        # an evaluator is used once: on a second call some of the C code's measures read freed memory
        while run := dict(islice(iterator, _TOPICS_AT_ONCE)):
            judged = {qid: qrels[qid] for qid in run}
            scores = pytrec_eval_ext.RelevanceEvaluator(judged, asked, relevance_level=relevance_level).evaluate(run)
            first = next(iter(scores.values()))
            for request in batch:
                # the C code answers measures with other parameters than cutoffs under their plain names
                renamed = {name: request.base for name in request.printed if name not in first}
                plain = [request.base] if request.base in first else _with_default_cutoffs(request.base, first)
                printed[request] = list(request.printed) or plain
                for qid, values in scores.items():
                    chosen = {name: values[renamed.get(name, name)] for name in printed[request]}
                    found.setdefault(qid, {}).update(chosen)
    for qid, values in found.items():
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise InputError(f"{wrong[0]}: trec_eval's value for topic {qid} is {values[wrong[0]]}, not a number")
    return printed, found


def _batches(requests: Sequence[Request]) -> list[list[Request]]:
    """Group requests so that the C code gets every measure once, with all its cutoffs."""
    batches: list[list[Request]] = []
    for request in dict.fromkeys(requests):
        for batch in batches:
            others = [each for each in batch if each.base == request.base]
            if not others or (request.base in _RANKS and request.parameters and others[0].parameters):
                batch.append(request)
                break
        else:
            batches.append([request])
    return batches


def _combined(batch: Sequence[Request]) -> dict[str, str]:
    """Return the parameters of each measure of a batch without duplicates, on which the C code exits the process."""
    combined: dict[str, dict[str, None]] = {}
    for request in batch:
        given = combined.setdefault(request.base, {})
        given |= dict.fromkeys(request.parameters.split(",") if request.base in _RANKS else [request.parameters])
    return {base: ",".join(given) for base, given in combined.items()}


def _with_default_cutoffs(base: str, names: Mapping[str, float]) -> list[str]:
    cutoffs = {name: name.removeprefix(f"{base}_") for name in names if name.startswith(f"{base}_")}
    cutoffs = {name: cutoff for name, cutoff in cutoffs.items() if re.fullmatch(r"[\d.]+", cutoff)}
    return sorted(cutoffs, key=lambda name: float(cutoffs[name]))


def largest_grade(requests: Sequence[Request]) -> int:
    """Return the largest grade that these measures support."""
    return LARGEST_GAIN if any(request.base in _GAINS for request in requests) else LARGEST_GRADE


def without_traps(qrels: Qrels, largest: int) -> Qrels:
    """Return equivalent qrels that the C code can process.

    Any grade below 0 means "in the pool, not judged", so all of them become −1; a topic without a grade of at least 0
    gets an irrelevant document that no run contains.

    Raises:
        InputError: a grade exceeds `largest`.
    """
    safe = {}
    for qid, grades in qrels.items():
        highest, lowest = max(grades.values(), default=-1), min(grades.values(), default=-1)
        if highest > largest:
            docid = next(docid for docid, grade in grades.items() if grade == highest)
            raise InputError(
                f"topic {qid}: grade {highest} of document {docid} is too large: these measures take grades up to "
                f"{largest:,} (trec_eval's code holds a counter for every grade)"
            )
        if lowest < 0:
            grades = {docid: max(grade, -1) for docid, grade in grades.items()}
        safe[qid] = {**grades, _NO_DOCUMENT: 0} if highest < 0 else grades
    return safe


def value_of_missing(name: str) -> float:
    """Return the value of a measure for a topic without results."""
    return _LOG_OF_ZERO if name.startswith("gm_") else 0.0


def aggregate(name: str, answered: Mapping[str, float], qrels: Qrels) -> float:
    """Return the value that `trec_eval -c` prints for `all`.

    Args:
        name: the printed name.
        answered: values by qid, for judged topics with results in the run.
        qrels: the judgements.
    """
    # with -c trec_eval counts these two over the whole qrels file, and num_rel at grade 1 whatever -l says
    if name == "num_q":
        return len(qrels)
    if name == "num_rel":
        return sum(grade >= 1 for grades in qrels.values() for grade in grades.values())
    summed = total(answered)
    if name.startswith("num_"):
        return summed
    if name.startswith("gm_"):
        return math.exp((summed + (len(qrels) - len(answered)) * _LOG_OF_ZERO) / len(qrels))
    return summed / len(qrels)
