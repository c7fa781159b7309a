"""Parts of a step's problems, each generated together by whichever rank is free: what a part consists of, and so how
its numbers are rounded, never depends on which rank that is."""

from itertools import pairwise
from math import isfinite

from acereason.common.types import Problem
from acereason.processes.distributed import shares


def longest_first(problems: list[Problem], lengths: list[float] | None) -> tuple[list[Problem], list[float]]:
    """Return the problems in the order in which they are to begin, and the expected length of each one's responses.

    Args:
        lengths: expected lengths, infinite where nothing is known of a problem; None: nothing is known of any.
    """
    if lengths is None:
        return problems, [1.0] * len(problems)
    # why: an unknown prompt counts as the longest, since it may turn out to be long
    longest = max(filter(isfinite, lengths), default=1.0)
    order = sorted(range(len(problems)), key=lambda i: -lengths[i])
    return [problems[i] for i in order], [min(lengths[i], longest) for i in order]


def in_parts(problems: list[Problem], lengths: list[float], at_once: int, ranks: int) -> list[list[Problem]]:
    """Cut problems into parts of at most `at_once`, in the order in which they are to begin.

    Where every rank's share fits into one part, there is a part for each, of about as many expected tokens. Else those
    of like lengths go together, the longest first, and no part is more than a rank's share of the expected tokens.

    Args:
        lengths: expected length of each problem's responses, descending.
    """
    if len(problems) <= ranks * at_once:
        bins = shares(lengths, ranks, most=at_once)
        return [[problems[i] for i, each in enumerate(bins) if each == bin_] for bin_ in range(ranks)]
    # why: rows that are generated together are padded to the longest prompt, so prompts of one length go together
    order = sorted(range(len(problems)), key=lambda i: (-lengths[i], len(problems[i].prompt_ids)))
    starts, tokens, share = [0], 0.0, sum(lengths) / ranks
    for place, i in enumerate(order):
        if place - starts[-1] == at_once or (place > starts[-1] and tokens + lengths[i] > share):
            starts.append(place)
            tokens = 0.0
        tokens += lengths[i]
    return [[problems[i] for i in order[start:end]] for start, end in pairwise([*starts, len(order)])]
