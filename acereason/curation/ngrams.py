"""This module indexes the n-grams of the benchmarks, and finds the prompts that share one."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from acereason.curation.text import words

Gram = tuple[str, ...]


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
    grams: dict[Gram, str] = field(default_factory=dict)
    """{n-gram: id of the first item that has it}."""
    shorts: dict[Gram, str] = field(default_factory=dict)
    """{all words of an item of fewer than n: id of the first such item}."""

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]], n: int, allowed: Iterable[str] = ()) -> "Index":
        """Make the index of (id, text) items, without the n-grams of the `allowed` phrases."""
        index = cls(n)
        for name, text in items:
            if len(item := words(text)) < n:
                index.shorts.setdefault(tuple(item), name)
            for gram in grams_of(item, n):
                index.grams.setdefault(gram, name)
        for phrase in allowed:
            for gram in grams_of(words(phrase), n):
                index.grams.pop(gram, None)
        # why: an item without words (a drawing alone) would be hit by every prompt without words
        index.shorts.pop((), None)
        return index

    def hits(self, texts: Iterable[str]) -> list[tuple[int, Hit]]:
        """Return (index, hit) of the texts that share an n-gram, or all words of a short item, with a benchmark."""
        hits = ((number, self._hit(words(text))) for number, text in enumerate(texts))
        return [(number, hit) for number, hit in hits if hit is not None]

    def _hit(self, found: list[str]) -> Hit | None:
        if len(found) < self.n:
            whole = tuple(found)
            return Hit([whole], self.shorts[whole], True) if whole in self.shorts else None
        # why: tuples in a dict: hashing numbers of words by NumPy first took a third longer than this
        shared = [gram for gram in grams_of(found, self.n) if gram in self.grams]
        return Hit(list(dict.fromkeys(shared)), self.grams[shared[0]]) if shared else None


def grams_of(found: list[str], n: int) -> Iterable[Gram]:
    """Return all runs of n words."""
    return zip(*(found[i:] for i in range(n)), strict=False)
