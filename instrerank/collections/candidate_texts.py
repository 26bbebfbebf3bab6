"""The texts of candidates, read from their source one by one and kept on disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from instrerank.files.spooled import SpooledTexts
from instrerank.trec.passages import PassageSource
from instrerank.trec.records import is_empty

_LOOKED_UP_AT_ONCE = 50_000


class CandidateTexts(Mapping[str, str]):
    """Texts by docid, in the order in which the docids were given; in memory are the docids.

    Attributes:
        numbers: number of each docid from 0, also of those without text.
        empty: the docids whose text is empty.
    """

    def __init__(self, source: PassageSource, docids: Iterable[str]) -> None:
        """Read texts from a source that streams them (`PassageFile.stream`) or else looks them up.

        Raises:
            InputError: the source cannot be read, or the disk is full.
        """
        self.numbers = {docid: number for number, docid in enumerate(dict.fromkeys(docids))}
        self.empty: set[str] = set()
        self._texts = SpooledTexts()
        self._places = array("i", [-1]) * len(self.numbers)
        self._name = source.name
        empty = []
        stream = getattr(source, "stream", None)
        places, append = self._places, self._texts.append
        found = _looked_up(source, self.numbers) if stream is None else stream(self.numbers)
        for at, (number, text) in enumerate(found):
            places[number] = at
            append(text)
            if is_empty(text):
                empty.append(number)
        if empty:
            names = list(self.numbers)
            self.empty = {names[number] for number in empty}

    def __repr__(self) -> str:
        """Return the size instead of all texts."""
        return f"CandidateTexts({self._name!r}: {len(self)} texts of {len(self.numbers)} docids)"

    def __len__(self) -> int:
        """Return the number of texts found."""
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the docids with a text."""
        return (docid for docid, place in zip(self.numbers, self._places, strict=True) if place >= 0)

    def __contains__(self, docid: object) -> bool:
        """Return whether the source has a docid."""
        number = self.numbers.get(docid)  # type: ignore[call-overload]
        return number is not None and self._places[number] >= 0

    def __getitem__(self, docid: str) -> str:
        """Read the text of a docid."""
        place = self._places[self.numbers[docid]]
        if place < 0:
            raise KeyError(docid)
        return self._texts[place]


class TextsOf(Sequence[str]):
    """The texts of some docids as a sequence that looks each up when it is asked for."""

    def __init__(self, docids: Sequence[str], texts: Mapping[str, str]) -> None:
        """Take docids and texts by docid."""
        self._docids, self._texts = docids, texts

    def __len__(self) -> int:
        """Return the number of docids."""
        return len(self._docids)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Return one text, or several."""
        if isinstance(place, slice):
            return [self._texts[docid] for docid in self._docids[place]]
        return self._texts[self._docids[place]]


def _looked_up(source: PassageSource, numbers: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    docids = iter(numbers)
    while some := list(islice(docids, _LOOKED_UP_AT_ONCE)):
        for docid, text in source.lookup(some).items():
            yield numbers[docid], text
