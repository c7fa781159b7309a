"""Choose the packages that a sandbox's Python imports besides the standard library."""

import contextlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_FOR_TESTS = ["numpy", "unittest.mock", "acereason.sandbox.pytests"]
"""Modules that published tests import; the last one loads pytest and runs it."""


@dataclass(frozen=True)
class Imports:
    """Packages that a sandbox loads before it forks programs."""

    names: list[str] = field(default_factory=list)
    """Modules to load."""
    path: list[str] = field(default_factory=list)
    """Folders to import from."""
    readable: list[str] = field(default_factory=list)
    """Files and folders that programs may read for these modules."""

    @classmethod
    def of(cls, packages: Iterable[str]) -> "Imports":
        """Take these packages and their requirements, and nothing that lies beside them."""
        places = [place for name in packages for place in _places(name)]
        # why: a folder is searched, not readable: other packages in it stay out of the program's reach
        folders = sorted({str(place.parent) for place in places})
        return cls(list(packages), folders, sorted({str(place) for place in places}))

    @classmethod
    def all(cls, packages: Iterable[str]) -> "Imports":
        """Take NumPy, pytest and these packages, with every package that is installed beside them."""
        found = [name for name in [*_FOR_TESTS, *packages] if _is_installed(name)]
        folders = sorted({str(place.parent) for name in ["numpy", "pytest", *packages] for place in _place(name)})
        return cls(found, folders, folders)


def _is_installed(name: str) -> bool:
    needed = "pytest" if name.endswith("pytests") else name.partition(".")[0]
    return importlib.util.find_spec(needed) is not None


def _place(name: str) -> list[Path]:
    """Return the file or folder of a module, if it is installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return []
    file = Path(spec.origin)
    return [file.parent if spec.submodule_search_locations else file]


def _places(name: str) -> set[Path]:
    """Return the places of a package, of its requirements, and of the libraries beside them (`numpy.libs`)."""
    found: set[Path] = set()
    for distribution in _with_requirements(importlib.metadata.packages_distributions().get(name, [])):
        # why: scripts are recorded as ../../bin/name: they lie outside the folder of packages
        tops = {
            file.parts[0] for file in importlib.metadata.files(distribution) or [] if file.parts[0] not in ("..", ".")
        }
        folder = Path(str(importlib.metadata.distribution(distribution).locate_file("")))
        found |= {folder / top for top in tops if not top.endswith((".dist-info", ".pth", "__pycache__"))}
    # why: a package that was never installed, only put on the path, has no metadata: it is taken as it lies
    return {place for place in found if place.exists()} or set(_place(name))


def _with_requirements(distributions: list[str]) -> set[str]:
    found, new = set[str](), list(distributions)
    while new:
        name = new.pop()
        if name in found:
            continue
        # why: a requirement for another platform or Python version is listed, but not installed
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            needed = importlib.metadata.requires(name) or []
            found.add(name)
            # why: requirements of extras are optional: the package works without them
            new += [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in needed if "extra ==" not in text]
    return found
