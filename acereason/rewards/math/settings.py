"""Settings for how strict math verdicts are: each leniency has a name."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class MathSettings:
    r"""Settings for which responses answer a ground truth, beyond its own spelling.

    Where no setting says otherwise, equal values in different forms are equal, `\frac{2}{4}` and `\frac{1}{2}`,
    `(x+1)^2` and `x^2+2x+1`. A percent sign or a unit that only one side has changes nothing (`28` and `28\%`; for a
    percentage also `0.28`), but `5 \text{ m}` is `500 \text{ cm}` and not `5 \text{ cm}`. Case counts, and so does the
    base in `204_5`.
    """

    decimals: Literal["form", "value", "rounded"] = "value"
    r"""Which numbers a decimal answers. `form`: decimals only; 0.5 is not \frac12. `value`: a number that it equals, up
    to the noise of 15 digits; 0.5 is \frac12, 0.3333 is not \frac13. `rounded`: with at least 4 decimals also a number
    that rounds to it."""
    containers: Literal["strict", "loose"] = "strict"
    r"""`strict`: (1, 2) is ordered, \{1, 2\} and the bare list 1, 2 are not and are not (1, 2); (0, 1) is not [0, 1].
    `loose`: brackets are ignored, and so is order where either side is a set or a bare list."""
    parts: Literal["all", "last"] = "last"
    """Which responses answer a bare list such as x = 1, y = 2. `all`: every item. `last`: also its last item alone,
    where that differs from the others: models box their parts one after the other, and only the last box is read."""
    choices: Literal["letter", "exact"] = "letter"
    r"""Which responses answer a choice letter. `letter`: C, (C), \text{(C)} and (C) 42 answer C. `exact`: C only."""
