"""This module writes the data card, `README.md`: what the dataset holds, where it is from, and why rows were dropped.

It has the paper's Figure 3 as two histograms, its Figure 4 as a table, and the header by which `datasets` loads each
version.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from matplotlib.figure import Figure

from acereason.common.files import save_figure, write_atomically
from acereason.common.markdown import table
from acereason.curation.context import TABLE, Context

_TITLES = {"math": "Math", "code": "Code"}
_DOES = {
    "read": "took every row of the sources",
    "deduplicate": "kept the first of prompts that say the same",
    "decontaminate": "dropped prompts that share words with a benchmark",
    "filter": "applied rules on prompts",
    "responses": "attached responses",
    "verify": "judged responses",
    "balance": "thinned short ones and set shares by length",
    "version": "drew the versions",
    "write": "wrote the files",
}


def write_card(context: Context, folder: Path, manifest: dict[str, Any]) -> None:
    """Write README.md and its pictures into the folder of the dataset, by `manifest.json`'s contents."""
    responses = pq.read_table(context.stages.folders["version"] / TABLE)
    tasks, tokens = context.prompts.values(responses["number"].to_numpy(), "task"), responses["tokens"].to_numpy()
    lengths = {name: tokens[tasks == name] for name in _TITLES if (tokens[tasks == name] > 0).any()}
    for task, values in lengths.items():
        save_figure(folder / f"lengths-{task}.png", _histogram(values, _TITLES[task]), dpi=100)
    parts = {
        "Versions": _versions(manifest),
        "Sources": _sources(manifest),
        "Stages": _stages(manifest),
        "Decontamination": _decontamination(manifest),
        **({"Lengths of the responses": _lengths(lengths)} if lengths else {}),
        "Files": _FILES,
    }
    sections = [_header(folder, manifest), "# Dataset", _intro(manifest)]
    sections += [f"## {title}\n\n{text}" for title, text in parts.items()]
    write_atomically(folder / "README.md", "\n\n".join(sections) + "\n")


_FILES = """Each row has `id` (of its prompt: source/identity), `sample`, `source`, `task`, `statement`, `starter`,
`answer`, `tests`, `response`, `tokens` and `status` (the verdict on the response). Of all responses to its prompt it
has how many were judged (`judged`), which share of them is correct (`pass_rate`) or wrong (`difficulty`), and their
mean length (`mean_tokens`). `manifest.json` holds the full configuration, the seeds, the sources' fingerprints and the
hashes of all files. `stages/` holds for each stage every dropped prompt with the reason (`dropped.parquet`), some of
them in full (`examples.jsonl`), and the n-grams that hit (`ngrams.jsonl`)."""


def _header(folder: Path, manifest: dict[str, Any]) -> str:
    names, configs = list(manifest["config"]["versions"]), []
    for index, name in enumerate(names):
        configs += _configs(folder, name, names[: index + 1])
    return f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---"


def _configs(folder: Path, name: str, included: list[str]) -> list[dict[str, Any]]:
    """Return the header's entries of a version: one for the whole, and one for each task."""
    patterns = {kind: [f"data/{part}/{kind}-*.parquet" for part in included] for kind in _TITLES}
    # why: `datasets` refuses a pattern that no file matches
    found = {task: [each for each in listed if any(folder.glob(each))] for task, listed in patterns.items()}
    configs = {f"{name}-{task}": listed for task, listed in found.items() if listed}
    if configs:
        configs = {name: [each for listed in configs.values() for each in listed], **configs}
    return [{"config_name": key, "data_files": listed} for key, listed in configs.items()]


def _intro(manifest: dict[str, Any]) -> str:
    counts = manifest["stages"]["version"]["details"]["versions"]
    largest = list(counts)[-1]
    parts = [f"{entry['prompts']:,} {task} prompts" for task, entry in counts[largest].items()]
    samples = sum(entry["responses"] for entry in counts[largest].values())
    return (
        f"{' and '.join(parts) or 'No prompts'} from {len(manifest['sources'])} sources, {samples:,} rows in the "
        f'largest version. Load one with `load_dataset(folder, "{largest}")`, or one task of it with '
        f'`"{largest}-math"`. Built by acereason\'s `curate`.'
    )


def _versions(manifest: dict[str, Any]) -> str:
    """Return the table of the paper's Figure 4."""
    rows = [
        [name, task, f"{entry['prompts']:,}", f"{entry['responses']:,}", f"{entry['responses'] / entry['prompts']:.2f}"]
        for name, tasks in manifest["stages"]["version"]["details"]["versions"].items()
        for task, entry in tasks.items()
    ]
    said = "Each version contains the one before."
    return f"{said}\n\n" + table(["version", "task", "prompts", "responses", "responses per prompt"], rows, range(2, 5))


def _sources(manifest: dict[str, Any]) -> str:
    taken = manifest["stages"]["read"]["details"]["sources"]
    rows = [
        [name, str(entry["path"]), entry["task"], entry["licence"], f"{entry['rows']:,}", f"{taken[name]:,}"]
        for name, entry in manifest["sources"].items()
    ]
    return table(["source", "from", "task", "licence", "rows", "prompts read"], rows, range(4, 6))


def _stages(manifest: dict[str, Any]) -> str:
    rows = [
        [name, _DOES[name], f"{stage['before']:,}", f"{stage['after']:,} {stage['unit']}", _why(stage["reasons"])]
        for name, stage in manifest["stages"].items()
    ]
    return table(["stage", "what it did", "in", "out", "dropped"], rows, range(2, 4))


def _decontamination(manifest: dict[str, Any]) -> str:
    config = manifest["config"]["decontaminate"]
    if not manifest["benchmarks"]:
        return "No benchmark was named: nothing was compared."
    details = manifest["stages"]["decontaminate"]["details"]
    sizes = ", ".join(f"{n} words for {task}" for task, n in config["n"].items())
    hits = [
        [name, f"{entry['rows']:,}", f"{details['hits'].get(name, 0):,}"]
        for name, entry in manifest["benchmarks"].items()
    ]
    said = [
        f"A prompt goes if it shares a run of words ({sizes}) with any benchmark item.",
        table(["benchmark", "items", "prompts dropped"], hits, range(1, 3)),
    ]
    if details["ngrams"]:
        commonest = [[f"`{gram}`", f"{count:,}"] for gram, count in list(details["ngrams"].items())[:10]]
        said += ["The commonest shared runs:", table(["run of words", "prompts"], commonest, [1])]
    if config["allow"]:
        summary = f"<details><summary>Phrases that don't count: {len(config['allow'])}</summary>"
        said += [summary, "\n".join(f"- `{phrase}`" for phrase in config["allow"]), "</details>"]
    return "\n\n".join(said)


def _lengths(lengths: dict[str, np.ndarray]) -> str:
    rows = [
        [task, *(f"{value:,.0f}" for value in (values.mean(), *np.percentile(values, [10, 50, 90]), values.max()))]
        for task, values in lengths.items()
    ]
    pictures = " ".join(f"![{_TITLES[name]}](lengths-{name}.png)" for name in lengths)
    return pictures + "\n\n" + table(["tokens", "mean", "10 %", "median", "90 %", "longest"], rows, range(1, 6))


def _histogram(tokens: np.ndarray, title: str) -> Figure:
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    # why: cut at the 99.5th percentile, since a few endless responses would squeeze all others into one bar
    axes.hist(tokens, bins=np.linspace(0, max(1, np.percentile(tokens, 99.5)), 41).tolist(), color="tab:blue")
    axes.set(title=title, xlabel="response length (tokens)", ylabel="responses")
    return figure


def _why(reasons: dict[str, int]) -> str:
    return "<br>".join(f"{count:,} {reason}" for reason, count in reasons.items())
