"""What a sandbox's Python imports besides the standard library."""

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_FOR_TESTS = ["numpy", "unittest.mock", "acereason.rewards.sandbox.pytests"]
"""What published tests import; the last one is pytest, and our way to run it."""


@dataclass(frozen=True)
class Imports:
    """Packages that a sandbox loads before it forks programs."""

    names: list[str] = field(default_factory=list)
    """Modules to load."""
    path: list[str] = field(default_factory=list)
    """Folders to import from."""
    readable: list[str] = field(default_factory=list)
    """Files and folders that programs may read for them."""

    @classmethod
    def of(cls, packages: Iterable[str]) -> "Imports":
        """These packages and what they require, and nothing beside them."""
        places = [place for name in packages for place in _places(name)]
        folders = sorted({str(place.parent) for place in places})
        return cls(list(packages), folders, sorted({str(place) for place in places}))

    @classmethod
    def all(cls, packages: Iterable[str]) -> "Imports":
        """Whatever is installed here beside NumPy, pytest and these packages."""
        found = [name for name in [*_FOR_TESTS, *packages] if _is_installed(name)]
        folders = sorted({str(place.parent) for name in ["numpy", "pytest", *packages] for place in _place(name)})
        return cls(found, folders, folders)


def _is_installed(name: str) -> bool:
    needed = "pytest" if name.endswith("pytests") else name.partition(".")[0]
    return importlib.util.find_spec(needed) is not None


def _place(name: str) -> list[Path]:
    """The file or folder of a module, if it is installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return []
    file = Path(spec.origin)
    return [file.parent if spec.submodule_search_locations else file]


def _places(name: str) -> set[Path]:
    """Of a package, of what it requires, and of the libraries that lie beside them (`numpy.libs`)."""
    found: set[Path] = set()
    for distribution in _with_requirements(importlib.metadata.packages_distributions().get(name, [])):
        tops = {
            file.parts[0] for file in importlib.metadata.files(distribution) or [] if file.parts[0] not in ("..", ".")
        }
        folder = Path(str(importlib.metadata.distribution(distribution).locate_file("")))
        found |= {folder / top for top in tops if not top.endswith((".dist-info", ".pth", "__pycache__"))}
    return {place for place in found if place.exists()} or set(_place(name))


def _with_requirements(distributions: list[str]) -> set[str]:
    found, new = set[str](), list(distributions)
    while new:
        name = new.pop()
        if name in found or not _has_metadata(name):
            continue
        found.add(name)
        needed = [text for text in importlib.metadata.requires(name) or [] if "extra ==" not in text]
        new += [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in needed]
    return found


def _has_metadata(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
