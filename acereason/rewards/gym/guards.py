"""Answers that may be handed to a scorer which runs them as Python.

Nine scorers of reasoning-gym call `eval`, or SymPy's `parse_expr`, which does, on the answer: a policy under training
could run code in the process that judges it. Here the forms that a right answer can have are let through, and nothing
that calls, names an attribute or a variable of Python's.
"""

import re
from collections.abc import Callable

_LIST = re.compile(r"""[\w\s\[\],.'"-]*""")
"""A list or a board, or a text without brackets."""
_SUM = re.compile(r"[\d\s+\-*/().]*")
_FORMULA = re.compile(r"[\w\s+\-*/().^]*")
_WORD = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = {"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "ln", "sqrt", "pi"}


def is_list(answer: str) -> bool:
    """Return whether `eval` of an answer can only read lists, texts and numbers."""
    return _LIST.fullmatch(answer) is not None and "__" not in answer


def is_sum(answer: str) -> bool:
    """Return whether an answer is arithmetic on numbers, without powers."""
    # why: 9**9**9 would take the worker's time and memory
    return _SUM.fullmatch(answer) is not None and "**" not in answer


def is_formula(answer: str) -> bool:
    """Return whether an answer is a formula of one-letter variables and known functions."""
    words = _WORD.findall(answer)
    named = all(len(word) == 1 or word in _FUNCTIONS for word in words)
    return named and _FORMULA.fullmatch(answer) is not None and re.search(r"\.\s*[^\W\d]", answer) is None


GUARDS: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("binary_matrix", "n_queens", "spiral_matrix", "string_insertion"), is_list),
    **dict.fromkeys(("countdown", "puzzle24"), is_sum),
    **dict.fromkeys(("intermediate_integration", "polynomial_multiplication", "simple_integration"), is_formula),
}
"""{data set: whether an answer may be handed to its scorer}; the scorers of others run no answer."""
