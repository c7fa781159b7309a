"""Arrows go down only, and heavy or optional parts stay at the edge."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.house import imported, imports

LAYERS = [
    ["run"],
    ["acereason.verbs", "callbacks"],
    ["acereason.runs"],
    ["acereason.modules"],
    ["acereason.curation", "acereason.evaluation"],
    ["acereason.sampling"],
    ["acereason.rollouts"],
    ["acereason.data"],
    ["acereason.models"],
    ["acereason.algorithm", "acereason.rewards"],
    ["acereason.sandbox"],
    ["acereason.processes"],
    ["acereason.common"],
]
FILES = [Path("run.py"), *Path("acereason").rglob("*.py"), *Path("callbacks").rglob("*.py")]


def layer(module: str) -> int | None:
    for index, prefixes in enumerate(LAYERS):
        if any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes):
            return index
    return None


@pytest.mark.parametrize("path", FILES, ids=str)
def test_arrows_go_down(path):
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if module == "acereason":
        return
    assert layer(module) is not None, f"{module} belongs to no layer"
    upward = {name for name in imports(path) if layer(name) is not None and layer(name) < layer(module)}
    assert not upward


@pytest.mark.parametrize("path", Path("callbacks").glob("[!_]*.py"), ids=str)
def test_callbacks_do_not_know_each_other(path):
    assert not {name for name in imports(path) if name.startswith("callbacks")}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_optional_packages_stay_at_the_edge(path):
    allowed = {"vllm": "acereason/rollouts/vllm/", "ray": "acereason/rewards/remote.py"}
    allowed |= {"reasoning_gym": "acereason/rewards/gym/"}
    for name in imported(path):
        assert str(path).startswith(allowed.get(name.split(".")[0], ""))


@pytest.mark.slow
def test_vllm_is_not_imported_before_an_engine_starts():
    code = "import acereason.verbs.lightning_cli, callbacks, sys; print('vllm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_report_needs_nothing_that_trains():
    heavy = {"torch", "lightning", "transformers", "callbacks"}
    code = f"import acereason.runs.report.verb, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


LIGHT_VERBS = ("score", "recipe", "report", "compare", "scaling", "study")
LIGHT = [["--help"], ["nosuch"], *([verb, "--help"] for verb in LIGHT_VERBS)]


@pytest.mark.parametrize("words", [*LIGHT, ["curate", "--help"]])
def test_verbs_load_what_they_need(words):
    # why: `datasets` reads the rows of `curate`; no verb here computes with tensors
    heavy = {"torch", "lightning", "transformers", "callbacks"} | ({"datasets"} if words in LIGHT else set())
    code = (
        f"import atexit, sys; atexit.register(lambda: print(sorted({heavy} & set(sys.modules)), file=sys.stderr)); "
        f"import run; run.main({words})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_verifier_processes_stay_light():
    heavy = {"torch", "lightning", "transformers"}
    code = f"import acereason.rewards.registry, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("path", Path("acereason/sandbox").glob("*.py"), ids=str)
def test_the_sandbox_needs_nothing_but_itself_and_python(path):
    outside = {name.split(".")[0] for name in imported(path) if not name.startswith("acereason.sandbox")}
    assert outside <= sys.stdlib_module_names | ({"pytest"} if path.name == "pytests.py" else set())
