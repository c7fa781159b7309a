r"""Decide whether a response's answer is the ground truth, by paths from equal text to math-verify, the cheapest first.

Both sides are taken apart alike: quantities into value, percent and unit, lists into items, tuples into entries.
The single expressions that remain are compared by `leaf`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from acereason.rewards.math.bases import without_base_ten
from acereason.rewards.math.dots import DOTS
from acereason.rewards.math.exact import (
    decimal_comma,
    equal_numbers,
    is_decimal,
    number,
    roughly_equal,
    rounding_slack,
)
from acereason.rewards.math.inequalities import as_intervals
from acereason.rewards.math.normalize import Normal, normalize
from acereason.rewards.math.notations import same_in_notation
from acereason.rewards.math.quantities import in_one_unit, times
from acereason.rewards.math.ratios import ratio
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.shapes import Shape, shape, spread_names
from acereason.rewards.math.structure import (
    choice,
    is_function_value,
    is_wrapped,
    sides,
    split_label,
    without_approximation,
    words,
)
from acereason.rewards.math.symbolic import Unparsable

Leaf = Callable[[str, str, float], tuple[bool, str]]
"""(ground truth, response, absolute tolerance of a rounded decimal) -> (equal, path that decided)."""
_MAX_ITEMS = 64
_COMPARED_ITEMS = 8
"""In a set of more items, repeated ones are found by text and number alone, since all pairs are compared."""


@dataclass(frozen=True)
class Outcome:
    """The result of one comparison."""

    equal: bool
    path: str
    """The path that decided it."""


@dataclass(frozen=True)
class Comparison:
    """Compares answers under given settings."""

    settings: MathSettings
    leaf: Leaf
    by_text: bool = True
    """Whether equal text is enough. A ground truth is checked without it: it must be comparable with other forms."""
    trace: list[str] | None = None
    """A list to which each comparison of two parts is added, innermost first."""

    def compare(self, answer: str, response: str) -> Outcome:
        """Compare two answers as they were written, ground truth first."""
        # why: most answers are plain numbers, which need no normal form
        return self.numbers(answer, response) or self._quantities(normalize(answer), normalize(response))

    def _quantities(self, gold: Normal, found: Normal) -> Outcome:
        if (values := in_one_unit(gold, found)) is None:
            return Outcome(False, "another unit")
        target, value = values
        outcome = self._texts(target, value)
        if outcome.equal or gold.percent == found.percent or len(sides(target)) > 1:
            return outcome
        # why: where only one side has the sign, 28% may be 28 or 0.28
        hundredth = Fraction(1, 100)
        if gold.percent:
            return self._texts(times(target, hundredth), value)
        return self._texts(target, times(value, hundredth))

    def _texts(self, gold: str, found: str) -> Outcome:
        outcome = self._decide(gold, found)
        if self.trace is not None:
            self.trace.append(f"{found}  {'=' if outcome.equal else '≠'}  {gold}  ({outcome.path})")
        return outcome

    def _decide(self, gold: str, found: str) -> Outcome:
        gold, found = (without_base_ten(without_approximation(side)) for side in (gold, found))
        if self.by_text and _squeezed(gold) == _squeezed(found):
            return Outcome(True, "equal text")
        for path in (self.numbers, _notation, self._ratios, self._choices, self._words):
            if (outcome := path(gold, found)) is not None:
                return outcome
        described = as_intervals(gold), as_intervals(found)
        if any(described):
            outcome = self._shapes(shape(described[0] or gold), shape(described[1] or found))
            if outcome.equal:
                return outcome
        return self._shapes(shape(gold), shape(found))

    def numbers(self, gold: str, found: str) -> Outcome | None:
        """Compare two plain numbers; None for anything else."""
        left, right = number(gold), number(found)
        # why: 1,22 is a list, unless the other side shows that it has a decimal comma
        if is_decimal(gold) or is_decimal(found):
            left, right = left or decimal_comma(gold), right or decimal_comma(found)
        if left is None or right is None:
            return None
        if self.settings.decimals == "form" and is_decimal(gold) != is_decimal(found):
            return Outcome(False, "another form")
        noisy = is_decimal(gold) or is_decimal(found)
        equal = equal_numbers(left, right, exact=not noisy) or abs(left - right) <= self._slack(gold, found)
        return Outcome(equal, "equal number")

    def _slack(self, gold: str, found: str) -> Fraction:
        return rounding_slack(found) if self.settings.decimals == "rounded" and not is_decimal(gold) else Fraction(0)

    def _ratios(self, gold: str, found: str) -> Outcome | None:
        left, right = ratio(gold), ratio(found)
        if left is None and right is None:
            return None
        # why: 0:0:0 would make all products below 0, and equal any ratio
        if left is None or right is None or len(left) != len(right) or self._agree(right[0], "0"):
            return Outcome(False, "ratio")
        # why: by products, so that 2:4:6 is 1:2:3 and no division by 0 comes in
        pairs = (
            (rf"({one}) \cdot ({right[0]})", rf"({other}) \cdot ({left[0]})")
            for one, other in zip(left, right, strict=True)
        )
        return Outcome(all(self._agree(*pair) for pair in pairs), "ratio")

    def _choices(self, gold: str, found: str) -> Outcome | None:
        if self.settings.choices == "exact" or (letter := choice(gold)) is None:
            return None
        other = choice(found, with_text=True)
        return None if other is None else Outcome(letter == other, "choice letter")

    def _words(self, gold: str, found: str) -> Outcome | None:
        left, right = words(gold), words(found)
        if left is None or right is None or not (left == right or is_wrapped(gold) or is_wrapped(found)):
            # why: letters without \text may be a product of variables
            return None
        return Outcome(left == right, "words")

    def _shapes(self, gold: Shape, found: Shape) -> Outcome:
        if gold.kind == found.kind == "single":
            return self._singles(gold.text, found.text)
        outcome = self._items(gold, found)
        if outcome.equal or "set" not in (gold.kind, found.kind):
            return outcome
        distinct = self._distinct(gold), self._distinct(found)
        return outcome if distinct == (gold, found) else self._items(*distinct)

    def _distinct(self, side: Shape) -> Shape:
        """Return a set without the items that it lists again."""
        items: list[str] = []
        for item in side.items if side.kind == "set" else ():
            if not any(self._same(kept, item, slow=len(side.items) <= _COMPARED_ITEMS) for kept in items):
                items.append(item)
        return replace(side, items=tuple(items)) if items else side

    def _same(self, left: str, right: str, slow: bool) -> bool:
        if _squeezed(left) == _squeezed(right):
            return True
        values = number(left), number(right)
        if None not in values or not slow:
            return values[0] == values[1] is not None
        try:
            return self._parts(left, right).equal
        except Unparsable:
            return False

    def _items(self, gold: Shape, found: Shape) -> Outcome:
        last = self.settings.parts == "last" and gold.has_last_part and self._parts(gold.values[-1], found.text)
        if last and last.equal:
            return last
        if "single" in (gold.kind, found.kind):
            return self._mixed(gold, found)
        if len(gold.items) != len(found.items) or len(gold.items) > _MAX_ITEMS:
            return Outcome(False, "another number of answers")
        if (ordered := self._order(gold, found)) is None:
            return Outcome(False, "another kind of brackets")
        return self._ordered(gold, found) if ordered else self._unordered(gold, found)

    def _order(self, gold: Shape, found: Shape) -> bool | None:
        """Return whether the items are compared in order; None where the kinds exclude each other."""
        if gold.names and found.names:
            return False
        named = gold if gold.names else found if found.names else None
        if named and (not named.brackets or (gold if named is found else found).kind == "list"):
            return True  # x = 1, y = 2 and (1, 2) or 1, 2; (x, y) = (1, 2) and 1, 2
        if gold.is_ordered != found.is_ordered:
            return False if self.settings.containers == "loose" else None
        if not gold.is_ordered:
            return DOTS in (*gold.items, *found.items)  # 1, 2, \ldots is no 2, 1, \ldots
        # why: two items in brackets may be an interval, and (0, 1) is not [0, 1]
        interval = len(gold.items) == 2 and self.settings.containers == "strict"
        return None if interval and gold.brackets != found.brackets else True

    def _ordered(self, gold: Shape, found: Shape) -> Outcome:
        path = "equal text"
        for left, right in zip(gold.values, found.values, strict=True):
            outcome = self._parts(left, right)
            if not outcome.equal:
                return Outcome(False, f"{len(gold.items)} entries in order, one differs: {outcome.path}")
            path = outcome.path
        return Outcome(True, f"{len(gold.items)} entries in order: {path}")

    def _unordered(self, gold: Shape, found: Shape) -> Outcome:
        left, path = list(found.named_values), "equal text"
        for name, value in gold.named_values:
            outcomes = ((entry, self._parts(value, entry[1])) for entry in left if entry[0] == name)
            match = next(((entry, outcome) for entry, outcome in outcomes if outcome.equal), None)
            if match is None:
                return Outcome(False, f"{len(gold.items)} items in any order, one is missing: {value}")
            # why: an item answers only once: 1, 2 is no 1, 1
            left.remove(match[0])
            path = match[1].path
        return Outcome(True, f"{len(gold.items)} items in any order: {path}")

    def _parts(self, gold: str, found: str) -> Outcome:
        return self._quantities(normalize(gold), normalize(found))

    def _mixed(self, gold: Shape, found: Shape) -> Outcome:
        """Compare a single expression with a list, tuple or set: an interval may be an inequality or a union."""
        single, other = (gold, found) if gold.kind == "single" else (found, gold)
        if (spread := spread_names(single.text)) and len(spread) == len(other.items):
            named = shape(", ".join(spread))
            return self._items(named, found) if single is gold else self._items(gold, named)
        if single.is_relation or single.label is not None:
            label, rest = split_label(single.text)
            if label is not None:
                pair = (rest, other.text) if single is gold else (other.text, rest)
                return self._texts(*pair)
            return self._leaf(gold.text, found.text)
        if len(other.items) == 1:
            pair = (gold.text, other.items[0]) if single is gold else (other.items[0], found.text)
            return self._parts(*pair)
        return Outcome(False, "another number of answers")

    def _singles(self, gold: str, found: str) -> Outcome:
        (gold_label, gold_rest), (found_label, found_rest) = split_label(gold), split_label(found)
        if gold_label and found_label:
            if gold_label != found_label and not is_function_value(gold_label, found_label):
                return self._leaf(gold, found)
            return self._chain(sides(gold_rest)[-1], sides(found_rest))
        if gold_label and len(sides(found)) == 1:
            return self._texts(sides(gold_rest)[-1], found)
        if len(sides(gold)) == 1 and (found_label or len(sides(found)) > 1):
            return self._chain(gold, sides(found_rest))
        return self._leaf(gold, found)

    def _chain(self, gold: str, chain: list[str]) -> Outcome:
        r"""Compare a response `a = b = c` by its last side or an earlier number, unless they contradict each other."""
        numbers = [side for side in chain if not re.search(r"(?<!\\)\b[a-zA-Z]", side)]
        for left, right in zip(numbers, numbers[1:], strict=False):
            # why: roughly, since responses end in a rounded number: 1/3 = 0.33
            if not (roughly_equal(left, right) or self._agree(left, right)):
                return Outcome(False, f"contradicts itself: {left} = {right}")
        outcomes = [self._texts(gold, side) for side in dict.fromkeys([chain[-1], *numbers])]
        return next((outcome for outcome in outcomes if outcome.equal), outcomes[0])

    def _agree(self, left: str, right: str) -> bool:
        """Return whether two sides of a response are equal; one that can't be read equals nothing, and is no error."""
        try:
            return self._leaf(left, right).equal
        except Unparsable:
            return False

    def _leaf(self, gold: str, found: str) -> Outcome:
        return Outcome(*self.leaf(gold, found, float(self._slack(gold, found))))


def _notation(gold: str, found: str) -> Outcome | None:
    told = same_in_notation(gold, found)
    return told and Outcome(*told)


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)
