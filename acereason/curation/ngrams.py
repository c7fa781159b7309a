"""This module indexes the n-grams of the benchmarks, and finds the prompts that share one.

The words of the benchmarks are numbered. A prompt's words become these numbers (0 for a word that no benchmark has),
and all n-grams of many prompts are hashed at once by NumPy. An n-gram that its hash finds is then compared by its
words, so that a collision can't drop a prompt; and equal n-grams have equal hashes, so that none is missed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from acereason.curation.digests import mixed
from acereason.curation.text import words

Gram = tuple[str, ...]
_LOW = np.uint64(2**22 - 1)


@dataclass
class Hit:
    """The n-grams that a prompt shares with the benchmarks."""

    grams: list[Gram]
    """All shared n-grams, in the order of the prompt, once each; for a short item, its words."""
    item: str
    """Id of the first benchmark item that has the first of them."""
    short: bool = False
    """Whether the whole prompt is a benchmark item of fewer than n words."""


@dataclass
class Index:
    """An index of the n-grams of benchmark items. A prompt hits an item of fewer than n words by exactly its words."""

    n: int
    items: list[str] = field(default_factory=list)
    """Ids of the items."""
    grams: dict[Gram, int] = field(default_factory=dict)
    """n-gram -> index of the first item that has it."""
    shorts: dict[Gram, int] = field(default_factory=dict)
    """All words of an item of fewer than n -> index of the first such item."""
    vocabulary: dict[str, int] = field(default_factory=dict)
    """Words of the n-grams, numbered from 1."""
    hashes: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    """[G] uint64, sorted: hashes of the n-grams."""

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]], n: int, allowed: Iterable[str] = ()) -> "Index":
        """Make the index of (id, text) items, without the n-grams of the `allowed` phrases."""
        index = cls(n)
        free = {gram for phrase in allowed for gram in grams_of(words(phrase), n)}
        for number, (name, text) in enumerate(items):
            index.items.append(name)
            found = words(text)
            if len(found) < n:
                index.shorts.setdefault(tuple(found), number)
            for gram in grams_of(found, n):
                if gram not in free:
                    index.grams.setdefault(gram, number)
        # why: an item without words (a drawing alone) would be hit by every prompt without words
        index.shorts.pop((), None)
        index._hash()
        return index

    def hits(self, texts: list[str]) -> list[tuple[int, Hit]]:
        """Return (index, hit) of the texts that share an n-gram, or all words of a short item, with a benchmark."""
        found = [words(text) for text in texts]
        hits = {i: Hit([gram], self.items[self.shorts[gram]], True) for i, gram in self._short(found)}
        for text, start in self._suspects(found):
            gram = tuple(found[text][start : start + self.n])
            # why: another n-gram may have the same hash
            if gram not in self.grams:
                continue
            hit = hits.setdefault(text, Hit([], self.items[self.grams[gram]]))
            if gram not in hit.grams:
                hit.grams.append(gram)
        return sorted(hits.items())

    def _short(self, found: list[list[str]]) -> list[tuple[int, Gram]]:
        short = [(i, tuple(each)) for i, each in enumerate(found) if len(each) < self.n]
        return [(i, gram) for i, gram in short if gram in self.shorts]

    def _suspects(self, found: list[list[str]]) -> list[tuple[int, int]]:
        """Return (text, position of the first word) of every n-gram whose hash is in the index, in order."""
        number = self.vocabulary.get
        flat = np.array([number(word, 0) for each in found for word in each], dtype=np.uint64)
        ends = np.cumsum([len(each) for each in found])
        rolled, starts = rolling(flat, self.n)
        position = np.flatnonzero(starts)
        # why: a look at the low bits ends most of them, in less time than a search in all hashes
        position = position[self._maybe[(rolled[position] & _LOW).astype(np.int64)]]
        position = position[_contained(rolled[position], self.hashes)]
        # why: the texts are hashed as one, so that an n-gram may reach over the end of its text; `inside` tells
        text = np.searchsorted(ends, position, side="right")
        inside = position + self.n <= ends[text] if len(position) else position
        first = np.concatenate([[0], ends])[text]
        return (
            list(zip(text[inside].tolist(), (position - first)[inside].tolist(), strict=True)) if len(position) else []
        )

    def _hash(self) -> None:
        """Number the words, hash the n-grams, and note in `_maybe` which low bits occur."""
        for gram in self.grams:
            for word in gram:
                self.vocabulary.setdefault(word, len(self.vocabulary) + 1)
        numbers = np.array([[self.vocabulary[word] for word in gram] for gram in self.grams], dtype=np.uint64)
        self.hashes = np.sort(rolling(numbers.reshape(-1), self.n)[0][:: self.n]) if len(numbers) else self.hashes
        self._maybe = np.zeros(int(_LOW) + 1, dtype=bool)
        self._maybe[(self.hashes & _LOW).astype(np.int64)] = True


def grams_of(found: list[str], n: int) -> list[Gram]:
    """Return all runs of n words."""
    return list(zip(*(found[i:] for i in range(n)), strict=False))


def rolling(numbers: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of all runs of n in [W] word numbers, [W - n + 1] uint64, and which runs have no 0."""
    count = max(0, len(numbers) - n + 1)
    scattered = mixed(numbers)
    hashed = np.zeros(count, np.uint64)
    for i in range(n):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + scattered[i : i + count]
    zeros = np.concatenate([[0], np.cumsum(numbers == 0)])
    return hashed, zeros[n : n + count] == zeros[:count]


def _contained(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return [V] bool: which values are in the sorted array `known`."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return known[place] == values
