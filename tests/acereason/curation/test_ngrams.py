import random

import pytest

from acereason.curation.ngrams import Index


def plain_hits(items: list[str], texts: list[str], n: int) -> dict[int, set[tuple]]:
    """Sets of tuples of words, and nothing else; the texts have no punctuation."""

    def grams(text):
        words = text.split()
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    known = set().union(*(grams(item) for item in items))
    shorts = {tuple(item.split()) for item in items if len(item.split()) < n}
    hits = {i: grams(text) & known for i, text in enumerate(texts)}
    hits |= {i: {tuple(text.split())} for i, text in enumerate(texts) if text and tuple(text.split()) in shorts}
    return {i: found for i, found in hits.items() if found}


def random_texts(generator: random.Random, count: int, longest: int, vocabulary: int) -> list[str]:
    return [
        " ".join(f"w{generator.randrange(vocabulary)}" for _ in range(generator.randint(0, longest)))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("n", "vocabulary"), [(1, 30), (3, 8), (5, 4), (9, 2)])
def test_against_plain_sets(n, vocabulary):
    generator = random.Random(n)
    for _ in range(20):
        items = random_texts(generator, 5, 2 * n, vocabulary)
        texts = random_texts(generator, 60, 4 * n, vocabulary + 2)  # some words that no item has
        index = Index.of([(str(i), item) for i, item in enumerate(items)], n)
        found = {i: set(hit.grams) for i, hit in index.hits(texts)}
        assert found == plain_hits(items, texts, n)


def test_an_n_gram_does_not_cross_from_one_text_into_the_next():
    index = Index.of([("a", "one two three four")], 4)
    assert index.hits(["one two", "three four", "", "one two three four"])[0][0] == 3


def test_which_item_and_in_which_order():
    index = Index.of([("a", "p q r s"), ("b", "x y z"), ("c", "p q r"), ("d", "k l")], 3)
    ((number, hit),) = index.hits(["o x y z p q r s x y z"])
    assert (number, hit.item, hit.short) == (0, "b", False)
    assert hit.grams == [("x", "y", "z"), ("p", "q", "r"), ("q", "r", "s")]
    ((_, short),) = index.hits(["K l!"])
    assert (short.item, short.short) == ("d", True)
    assert index.hits(["k l m", "k", ""]) == []


def test_nothing_to_compare():
    assert Index.of([], 9).hits(["a b c"]) == []
    assert Index.of([("a", "")], 9).hits(["", "a"]) == []
    assert Index.of([("a", "b c")], 2).hits([]) == []
