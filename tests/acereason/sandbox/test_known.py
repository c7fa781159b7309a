import collections
import math
import unittest

import pytest

from acereason.sandbox.known import known_name, named


class Impostor:
    """A class that claims to be another one."""


Impostor.__module__, Impostor.__qualname__ = "collections", "Counter"


@pytest.mark.parametrize(
    ("value", "of_a_class", "of_all"),
    [
        (collections.Counter, "collections:Counter", "collections:Counter"),
        (KeyError, "builtins:KeyError", "builtins:KeyError"),
        (math.sqrt, None, "math:sqrt"),
        (str.upper, None, "builtins:str.upper"),
        (Impostor, None, None),
        (Impostor(), None, None),
        (pytest.raises, None, None),
    ],
)
def test_what_both_sides_have_crosses_by_its_name(value, of_a_class, of_all):
    assert known_name(value, all_functions=False) == of_a_class
    assert known_name(value, all_functions=True) == of_all


def test_a_program_names_harmless_classes_alone():
    assert named("collections:Counter", trusted=False) is collections.Counter
    assert named("builtins:KeyError", trusted=False) is KeyError
    assert named("math:sqrt", trusted=True) is math.sqrt
    for text in ("builtins:exec", "math:sqrt", "subprocess:Popen", "unittest.case:SkipTest"):
        with pytest.raises(ValueError, match="is no class that a value can be of"):
            named(text, trusted=False)
    assert named("unittest.case:SkipTest", trusted=True) is unittest.SkipTest
    with pytest.raises(ImportError):
        named("numpy:array", trusted=True)
