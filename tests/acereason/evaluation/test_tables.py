import csv
import io

from acereason.evaluation.policies import Policy
from acereason.evaluation.tables import accuracies, by_band, comma_separated, passes
from tests.support.evaluations import result_by_counts


def at(name: str, **counts: int) -> Policy:
    """By one problem with so many of four correct in each benchmark, and another that is always solved."""
    results = {benchmark: result_by_counts(a=count, b=4) for benchmark, count in counts.items()}
    return Policy(name, results, name.partition("@")[0])


def rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]


def test_accuracies_beside_the_papers():
    head, _, *found = rows(accuracies([at("v7@sft", aime24=2, math500=0)]))
    assert head == ["source", "policy", "aime24", "math500", "average"]
    # two of four have variance 1/12 over runs: its root over two problems is 14.4 points, halved in the average
    assert found[0] == ["here", "v7@sft", "75.0 ± 14.4", "50.0 ± 0.0", "62.5 ± 7.2"]
    assert ["Table 1", "SFT-7B", "62.0", "94.1", "78.0"] in found
    assert ["Table 1", "OpenMath-Nemotron-7B", "74.8", "", ""] in found
    assert ["Table 2", "penalize, 64K", "73.0", "", ""] in found
    assert len(found) == 1 + 13 + 4 + 9 + 6  # of Table 1 two models have neither


def test_a_benchmark_of_ones_own_has_nothing_of_the_paper():
    _, _, *found = rows(accuracies([at("v7@sft", sums=2)]))
    assert found == [["here", "v7@sft", "75.0 ± 14.4"]]


def test_comma_separated():
    found = list(csv.DictReader(io.StringIO(comma_separated([at("v7@stage 1", aime24=2, sums=4)]))))
    ours = [row for row in found if row["source"] == "here"]
    assert [(row["line"], row["moment"], row["benchmark"], row["percent"]) for row in ours] == [
        ("v7", "stage 1", "aime24", "75.000"),
        ("v7", "stage 1", "sums", "100.000"),
        ("v7", "stage 1", "average", "87.500"),
    ]
    assert (ours[0]["stderr_runs"], ours[0]["stderr_problems"]) == ("14.434", "25.000")
    paper = {(row["source"], row["line"], row["moment"]): row["percent"] for row in found[3:]}
    assert paper["Figure 8", "stage 2", "0.85"] == "67.6"
    assert {row["benchmark"] for row in found[3:]} == {"aime24"}


def test_pass_at_k():
    page = passes([[at("SFT", sums=2)], [at("RL", sums=4)]], "sums")
    assert rows(page) == [
        ["k", "1", "2", "4"],
        ["---", "---:", "---:", "---:"],
        ["SFT", "75.0", "91.7", "100.0"],
        ["RL", "100.0", "100.0", "100.0"],
    ]


def test_by_band():
    page = by_band([at("SFT", sums=0), at("RL", sums=1)], "sums")
    assert rows(page)[0] == ["solve rate of SFT", "problems", "SFT", "RL"]
    assert rows(page)[2:] == [["0 %", "1", "0.0", "25.0"], ["≥ 80 %", "1", "100.0", "100.0"]]
