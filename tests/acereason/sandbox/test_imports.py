import pytest

from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify
from acereason.sandbox.imports import Imports


def outcome(program: str, packages: list[str]) -> str:
    tests = parse_tests({"inputs": ["3\n"], "outputs": ["6\n"]})
    return verify(f"```python\n{program}\n```", tests, CodeSettings(seconds=3, packages=packages)).detail["tests"][0]


def test_programs_import_what_the_setting_names_and_only_that():
    numpy = "import numpy as np\nimport numpy.fft\nprint(int(np.array([int(input())]).sum() * 2))"
    assert outcome(numpy, ["numpy"]) == "passed"
    assert outcome(numpy, []) == "runtime error"
    assert outcome("import pytest\nprint(int(input()) * 2)", ["numpy"]) == "runtime error"
    assert outcome("import pytest\nprint(int(input()) * 2)", ["pytest"]) == "passed"
    assert outcome("import numpy\nopen(numpy.__file__, 'a').write('#')\nprint(6)", ["numpy"]) == "runtime error"
    assert outcome("import acereason.rewards.code as c\nopen(c.__file__)\nprint(6)", ["numpy"]) == "runtime error"


def test_what_a_package_requires_comes_along():
    places = {place.rpartition("/")[2] for place in Imports.of(["pytest"]).readable}
    assert {"pytest", "_pytest", "pluggy", "iniconfig"} <= places
    assert "numpy" not in places
    assert Imports.of([]) == Imports()


@pytest.mark.parametrize("name", ["nobody_has_this", "../x", "numpy.fft"])
def test_a_package_that_is_not_installed_is_a_mistake(name):
    with pytest.raises(ValueError, match=r"rewards\.code\.packages: .* is not installed here"):
        CodeSettings(packages=[name])
