"""How texts become terms: Anserini's analyzers, by Anserini's own options, and the record of them in an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from instrerank.anserini.jvm import java_class
from instrerank.anserini.passages import stored_text
from instrerank.errors import InputError
from instrerank.files import read_yaml_file, whole_file

# fmt: off
LANGUAGES = (
    "ar", "bn", "da", "de", "en", "es", "fa", "fi", "fr", "ha", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl",
    "pt", "ru", "so", "sv", "sw", "te", "th", "tr", "uk", "yo", "zh",
)
# fmt: on
"""Codes that Anserini knows; ha, so, sw and yo are split at whitespace."""

STEMMERS = ("porter", "krovetz", "none")
"""Stemmers of Anserini's English analyzer."""

_WHITESPACE = "org.apache.lucene.analysis.core.WhitespaceAnalyzer"
_WITHOUT_ANALYZER = ("ha", "so", "sw", "yo")


@dataclass(frozen=True)
class Analysis:
    """How passages and queries are split into terms; the defaults are Anserini's.

    Attributes:
        language: one of `LANGUAGES`.
        stemmer: of English: "porter", "krovetz" or "none".
        keep_stopwords: whether English stop words are terms too.
        pretokenized: split at whitespace only (wordpieces, for example).
    """

    language: str = "en"
    stemmer: str = "porter"
    keep_stopwords: bool = False
    pretokenized: bool = False

    def __post_init__(self) -> None:
        """Check the options against Anserini's.

        Raises:
            InputError: an option that Anserini does not have, or that the others leave without effect.
        """
        if self.language not in LANGUAGES:
            raise InputError(f"`language` must be one of {', '.join(LANGUAGES)}; got {self.language!r}")
        if self.stemmer not in STEMMERS:
            raise InputError(f"`stemmer` must be one of {', '.join(STEMMERS)}; got {self.stemmer!r}")
        english = Analysis.stemmer, Analysis.keep_stopwords
        if (self.stemmer, self.keep_stopwords) != english and (self.language != "en" or self.pretokenized):
            raise InputError("`stemmer` and `keep_stopwords` apply only to English that is not `pretokenized`")
        if self.pretokenized and self.language != "en":
            raise InputError("`pretokenized` text is split at whitespace in any language: leave out `language`")

    def __str__(self) -> str:
        """Return the options that differ from the defaults, or "language en"."""
        words = (name if value is True else f"{name} {value}" for name, value in self.chosen().items())
        return ", ".join(words) or "language en"

    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from the defaults."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Analysis, name)}

    def index_options(self) -> list[str]:
        """Return the options of Anserini's `IndexCollection`."""
        if self.pretokenized or self.language in _WITHOUT_ANALYZER:
            return ["-pretokenized"]
        return [
            *("-language", self.language, "-stemmer", self.stemmer),
            *(["-keepStopwords"] if self.keep_stopwords else []),
        ]

    def analyzer(self) -> Any:
        """Return the Lucene analyzer that `IndexCollection` uses with these options."""
        if self.pretokenized or self.language in _WITHOUT_ANALYZER:
            return java_class(_WHITESPACE)()
        if self.language == "en":
            english = java_class("io.anserini.analysis.DefaultEnglishAnalyzer")
            return english.fromArguments(self.stemmer, self.keep_stopwords, None)
        return java_class("io.anserini.analysis.AnalyzerMap").getLanguageSpecificAnalyzer(self.language)


_SAMPLE = 20
"""Documents whose stored texts are analysed to see whether an index has their terms."""


def is_recorded(index: Path) -> bool:
    """Return whether an index records how it was built."""
    return (index / _RECORD).exists()


def absent_share(searcher: Any, reader: Any, analyzer: Any) -> float:
    """Return the share of the terms of the first stored texts that an index lacks, 0 if it stores no plain text.

    It is near 0 with the analyzer that built the index: a measure for indexes without a record.

    Args:
        searcher: Anserini's `SimpleSearcher`.
        reader: Lucene's reader of the same index.
        analyzer: the analyzer of queries.
    """
    terms: set[str] = set()
    for number in range(min(_SAMPLE, searcher.get_total_num_docs())):
        document = searcher.doc(number)
        raw, contents = document.get("raw"), document.get("contents")
        if contents or (raw or "").startswith("{"):  # not markup, of which Anserini indexes only a part
            text = stored_text(str(document.get("id")), raw, contents) or ""
            terms.update(java_class("io.anserini.analysis.AnalyzerUtils").analyze(analyzer, text))
    term = java_class("org.apache.lucene.index.Term")
    absent = sum(reader.docFreq(term("contents", each)) == 0 for each in terms)
    return float(absent / max(len(terms), 1))


_RECORD = "instrerank.yaml"
"""Name of the record in the folder of an index; Lucene ignores it."""


def write_record(index: Path, analysis: Analysis, software: Mapping[str, str]) -> None:
    """Record in a new index how its texts were analysed, and by which software."""
    import yaml

    with whole_file(index / _RECORD) as file:
        yaml.safe_dump({"analysis": asdict(analysis), "software": dict(software)}, file, sort_keys=False)


def analysis_of(index: Path, chosen: Mapping[str, Any]) -> Analysis:
    """Return how to analyse queries to an index.

    Args:
        index: its folder.
        chosen: options of `Analysis`; the others are those of the record, or else Anserini's defaults.

    Raises:
        InputError: an option is invalid, or differs from how the index was built.
    """
    recorded = _recorded(index)
    wanted = replace(recorded or Analysis(), **chosen)
    if recorded is not None and wanted != recorded:
        raise InputError(f"the index {index} was built with {recorded}, and cannot be searched with {wanted}")
    return wanted


def _recorded(index: Path) -> Analysis | None:
    path = index / _RECORD
    if not path.exists():
        return None
    record = read_yaml_file(path)
    try:
        return Analysis(**record["analysis"])
    except (InputError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the record of an index ({error}): build the index again") from error
