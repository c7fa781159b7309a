"""Load the names that programs find ready, as under LiveCodeBench: solutions often leave out their imports."""

import re
import sys
from typing import Any

from acereason.sandbox import nodes

_STAR = [
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "sys", "json", "builtins", "typing",
]  # fmt: skip
"""Modules whose public names programs find, later ones winning."""
_WARM = [
    "array", "asyncio", "base64", "cmath", "concurrent.futures", "contextlib", "ctypes", "dataclasses", "decimal",
    "encodings.idna", "enum", "fractions", "hashlib", "importlib.metadata", "importlib.util", "inspect",
    "numbers", "os", "pathlib", "pickle", "pprint",
    "queue", "secrets", "shutil", "signal", "struct", "subprocess", "tempfile", "textwrap", "threading", "time",
    "timeit", "traceback", "types", "unicodedata", "unittest", "urllib.request", "uuid", "warnings", "zlib",
]  # fmt: skip
"""Modules that are loaded but not named: importing them then costs a program nothing."""
_SMALL = {
    *_STAR, "abc", "array", "dataclasses", "decimal", "enum", "errno", "fractions", "numbers", "os", "textwrap",
    "threading", "time", "token", "traceback", "types", "warnings",
}  # fmt: skip
"""Modules that the small prelude has as the whole one has them."""
_ELSEWHERE = frozenset({*sys.stdlib_module_names, "modules"} - _SMALL)

# why: the two limits that LiveCodeBench's grader sets
RECURSION_LIMIT = 50_000
DIGITS = 50_000


def is_enough(source: str) -> bool:
    """Return whether this code finds all that it may look for in the small prelude.

    It does where no word in it, comments and text included, is the name of a module that only the whole one loads.
    """
    return _ELSEWHERE.isdisjoint(re.findall(r"\w+", source))


def load(whole: bool) -> dict[str, Any]:
    """Return the namespace that programs start with, the variables of the module `__main__`.

    Args:
        whole: whether to load the modules of `_WARM`, too.
    """
    # why: programs run in this very dict, which their process has for itself:
    # a copy would touch every object in it, and the kernel copies each touched page
    names = vars(sys.modules["__main__"])
    names.clear()
    exec("\n".join(f"from {module} import *" for module in _STAR), names)
    exec("import " + ", ".join(module for module in _STAR if module not in ("builtins", "typing")), names)
    if whole:
        exec("import " + ", ".join(_WARM), {})
    names.update(ListNode=nodes.ListNode, TreeNode=nodes.TreeNode)
    return names
