"""docs/peers.md: each cell of its tables has a source, and the sources are as the page says."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path("docs/peers.md")
PEERS = ["verl", "NeMo-RL", "TRL", "OpenRLHF", "prime-rl", "slime", "SkyRL", "AReaL"]
GROUPS = ["Recipe", "Exactness", "Backbones and scale", "Operations"]
DEFINITION = re.compile(r"^\[(\w+)\]: (\S+)$", re.MULTILINE)


class Cell(NamedTuple):
    row: str
    column: str
    text: str


def text() -> str:
    return PAGE.read_text()


def split(line: str) -> list[str]:
    """The cells of a table's line, in which a bar within a cell is escaped."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(section: str) -> list[list[list[str]]]:
    """The tables of a text: their lines, and the cells of each, without the rule below the head."""
    found = re.findall(r"(?:^\|.*\n)+", section, flags=re.MULTILINE)
    return [[split(line) for index, line in enumerate(table.splitlines()) if index != 1] for table in found]


def section(heading: str) -> str:
    return text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def cells() -> list[Cell]:
    """All cells of the comparison."""
    return [
        Cell(name, column, cell)
        for heading in GROUPS
        for head, *lines in tables(section(heading))
        for name, *row in lines
        for column, cell in zip(head[1:], row, strict=True)
    ]


def snapshots() -> dict[str, str]:
    """Where the files of each peer's commit are, by its name."""
    rows = tables(text().split("\n## ")[0])[0][1:]
    return {name: re.findall(r"\((https:\S+)\)", commit)[0].replace("/tree/", "/blob/") for name, _, commit, _ in rows}


def searched() -> set[str]:
    """Rows whose pattern is told."""
    return {row[0] for row in tables(section("What was looked for"))[0][1:] if re.fullmatch("`.+`", row[1])}


def test_a_row_has_a_cell_for_everyone():
    columns: dict[str, list[str]] = {}
    for cell in cells():
        columns.setdefault(cell.row, []).append(cell.column)
    assert len(columns) > 40
    assert all(found == ["acereason", *PEERS] for found in columns.values())


def test_a_cell_of_ours_names_files_that_are_here():
    for cell in cells():
        if cell.column == "acereason":
            named = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", cell.text)]
            assert named, cell
            assert all((PAGE.parent / name).is_file() for name in named), cell


def test_a_cell_of_a_peer_has_its_source_at_the_commit():
    known, places, rows = dict(DEFINITION.findall(text())), snapshots(), searched()
    for cell in cells():
        if cell.text == "[not found](#what-was-looked-for)":
            assert cell.row in rows, cell
        elif cell.column != "acereason":
            # why: each claim of a cell is a link, with nothing beside them
            parts = [re.fullmatch(r"\[.+\]\[(\w+)\]", part) for part in re.split(r"(?<=\]); ", cell.text)]
            assert all(part and known[part[1]].startswith(places[cell.column] + "/") for part in parts), cell


def test_every_source_is_used_once_or_more():
    names = [name for name, _ in DEFINITION.findall(text())]
    assert len(names) == len(set(names)) > 250
    assert set(names) == set(re.findall(r"\]\[(\w+)\]", text()))


def test_the_snapshots_are_of_whole_commits():
    assert list(snapshots()) == PEERS
    assert all(re.fullmatch(r"https://github\.com/[\w./-]+/blob/[0-9a-f]{40}", place) for place in snapshots().values())
