"""python -m acereason.verbs.studies.power: the tables of docs/studies.md, by seeds and by samples."""

from collections.abc import Callable

from acereason.common.markdown import table
from acereason.verbs.studies.statistics import difference_sd, power, seeds_needed

DIFFERENCES = (1, 2, 3, 5, 10)
"""Differences of accuracy, in points."""
DEVIATIONS = (1, 2, 3, 5)
"""Standard deviations of the difference over seeds, in points."""
SEEDS = (2, 3, 5, 8, 12)
SAMPLES = ((30, 16), (30, 64), (100, 8), (200, 8), (300, 8))
"""(problems, responses per problem) of a benchmark."""
TRAINING = (0, 1, 2)
"""Standard deviations of one arm's true accuracy from seed to seed, in points."""


def seeds_table() -> str:
    """Return the seeds that a difference needs for a power of 80 %."""

    def cell(difference: int, sd: int) -> str:
        return str(seeds_needed(difference, sd) or "> 100")

    return _table("difference", [f"sd {sd}" for sd in DEVIATIONS], DIFFERENCES, DEVIATIONS, cell)


def power_table() -> str:
    """Return the power that numbers of seeds have, at a standard deviation of 2 points."""
    columns = [f"{seeds} seeds" for seeds in SEEDS]
    return _table("difference", columns, DIFFERENCES, SEEDS, lambda d, seeds: f"{100 * power(d, 2, seeds):.0f} %")


def samples_table() -> str:
    """Return the standard deviation of a difference by what measures it."""
    head = ["problems x n", *(f"training {sd}" for sd in TRAINING)]
    rows = [
        [f"{problems} x {n}", *(f"{100 * difference_sd(sd / 100, problems, n):.1f}" for sd in TRAINING)]
        for problems, n in SAMPLES
    ]
    return table(head, rows, range(1, len(head)))


def _table(name: str, columns: list[str], rows: tuple, places: tuple, cell: Callable[[int, int], str]) -> str:
    lines = [[str(row), *(cell(row, place) for place in places)] for row in rows]
    return table([name, *columns], lines, range(1, len(columns) + 1))


if __name__ == "__main__":
    print("\n\n".join([seeds_table(), power_table(), samples_table()]))
