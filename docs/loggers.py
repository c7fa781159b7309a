"""Writes the table of docs/run-folders.md: what runs do under each logger, by running them.

python -m docs.loggers
"""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

from acereason.common.errors import UserError
from acereason.common.files import write_atomically
from acereason.runs.files import MARK
from acereason.verbs.cli import run_verb
from acereason.verbs.lightning_cli import AceReasonCLI

PAGE = Path(__file__).with_name("run-folders.md")
HEADING = "## Loggers"
CALLS = {
    "`auto`, no run yet": ("--ckpt_path=auto",),
    "`last`": ("--ckpt_path=last",),
    "`auto`": ("--ckpt_path=auto",),
    "left out": (),
    "`fast_dev_run`": ("--trainer.fast_dev_run=true",),
}
"""Columns, in the order in which they are run; each trains one epoch more than the one before."""
_FIT = {"fit": AceReasonCLI.subcommands()["fit"]}
_ONE_PARSER = mock.patch.object(AceReasonCLI, "subcommands", staticmethod(lambda: _FIT))
"""Of one verb in place of five, which takes a second less a call."""


@dataclass
class Case:
    """A row: what a config says of loggers."""

    told: str
    trainer: dict[str, Any] = field(default_factory=dict)
    needs: str = "torch"
    """The package without which it can't be tried."""


def logger(kind: str, **settings: Any) -> dict[str, Any]:
    """A logger in YAML."""
    return {"class_path": kind, "init_args": settings}


def _cases() -> Iterator[Case]:
    for kind in ("TensorBoardLogger", "CSVLogger"):
        for version, told in {"": '""', "v1": "v1", None: "null"}.items():
            fixed = logger(kind, save_dir="runs", name="rl", version=version)
            yield Case(f"{kind}, `save_dir: runs, name: rl, version: {told}`", {"logger": fixed})
    wandb = {"save_dir": "runs", "project": "p", "offline": True}
    yield Case(
        "WandbLogger, `save_dir: runs, name: rl`", {"logger": logger("WandbLogger", name="rl", **wandb)}, "wandb"
    )
    yield Case("WandbLogger, `save_dir: runs`", {"logger": logger("WandbLogger", **wandb)}, "wandb")
    root = {"default_root_dir": "runs/rl"}
    yield Case("MLFlowLogger", {"logger": logger("MLFlowLogger")}, "mlflow")
    elsewhere = {"logger": logger("MLFlowLogger", save_dir="tracking")}  # mlflow remembers folders of before by name
    yield Case("MLFlowLogger, `default_root_dir: runs/rl`", elsewhere | root, "mlflow")
    yield Case("`logger: false`", {"logger": False})
    yield Case("`logger: false, default_root_dir: runs/rl`", {"logger": False} | root)
    yield Case("`logger: true, default_root_dir: runs/rl`", {"logger": True} | root)
    named = {"save_dir": "runs", "name": "rl"}
    both = [logger("TensorBoardLogger", **named, version=None), logger("CSVLogger", **named, version=None)]
    yield Case("TensorBoardLogger and CSVLogger, both `save_dir: runs, name: rl, version: null`", {"logger": both})
    apart = [
        logger("TensorBoardLogger", **named, version=""),
        logger("CSVLogger", save_dir="csv", name="rl", version=""),
    ]
    yield Case("TensorBoardLogger and CSVLogger, apart", {"logger": apart})
    yield Case(
        "WandbLogger and CSVLogger, `save_dir: runs, name: rl`",
        {"logger": [logger("WandbLogger", **wandb), logger("CSVLogger", **named, version="")]},
        "wandb",
    )


CASES = list(_cases())


def outcomes(case: Case) -> list[str]:
    """What each call does, run one after another in a fresh working folder."""
    before = Path.cwd()
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # which mlflow 3 wants to hear
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return [_outcome(case, number, flags) for number, flags in enumerate(CALLS.values(), 1)]
        finally:
            os.chdir(before)


def _outcome(case: Case, epochs: int, flags: tuple[str, ...]) -> str:
    were = _runs()
    Path("config.yaml").write_text(json.dumps(_config(case, epochs)))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _ONE_PARSER:
            run_verb(["fit", "--config=config.yaml", *flags])
    except UserError as error:
        return _refused(str(error))
    finally:
        Path("config.yaml").unlink()
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish()  # the end of a process does
    return _told(were, _runs(), epochs)


def _refused(message: str) -> str:
    return f"refused: {message}".replace(str(Path.cwd()), "FOLDER")


def _told(were: dict[int, Path], now: dict[int, Path], epochs: int) -> str:
    """What has become of the runs, known by the number of their folders."""
    new = [folder for inode, folder in now.items() if inode not in were]
    if not new and all(steps_of(folder)[-1:] != [epochs] for folder in now.values()):
        return "leaves nothing" if were == now else "moves runs"
    if not new:
        (folder,) = (folder for folder in now.values() if steps_of(folder)[-1:] == [epochs])
        return f"goes on in `{folder}`"
    moved = [folder for inode, folder in now.items() if inode in were and were[inode] != folder]
    return f"begins in `{new[0]}`" + "".join(f"; the earlier run is `{folder}`" for folder in moved)


def _runs() -> dict[int, Path]:
    """The folders of runs, by their inodes."""
    return {path.parent.stat().st_ino: path.parent for path in sorted(Path().rglob(MARK))}


def steps_of(run: Path) -> list[int]:
    """Steps that a run has logged, from its own file, whatever the logger."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [row["step"] + 1 for row in rows if "policy/loss" in row]


def _config(case: Case, epochs: int) -> dict[str, Any]:
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    backbone = {"vocab_size": 260, "num_key_value_heads": 1, "max_position_embeddings": 256} | size
    source = {"arithmetic": {"levels": [1], "size": 4, "mistakes": 0.5}}
    callbacks = [{"class_path": "Recorder"}, {"class_path": "Checkpoints", "init_args": {"every_n_steps": 1}}]
    trainer = {"accelerator": "cpu", "devices": 1, "max_epochs": epochs, "reload_dataloaders_every_n_epochs": 1}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
    data = {"sources": {"sums": source}, "batch_size": 4, "max_length": 256}
    model = {"backbone": {"config": backbone, "tokenizer": "bytes"}}
    return {
        "seed_everything": 0,
        "trainer": trainer | quiet | {"callbacks": callbacks} | case.trainer,
        "model": {"class_path": "SFTModule", "init_args": model},
        "data": {"class_path": "SFTData", "init_args": data},
    }


def rows() -> dict[str, str]:
    """The table's rows, by case; those whose package is not installed are left out."""
    return {case.told: row(case.told, *outcomes(case)) for case in CASES if find_spec(case.needs)}


def row(told: str, *cells: str) -> str:
    """A line of the table; a refusal that stays the same is told once."""
    if len(set(cells)) == 1 or (len(set(cells[:-1])) == 1 and cells[0].startswith("refused")):
        cells = (cells[0], *['"'] * (len(cells) - 2), cells[-1])
    return "| " + " | ".join([told, *cells]) + " |"


def table(made: dict[str, str]) -> str:
    """The rows under their head."""
    head = ["", *CALLS]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *made.values()])


def render(page: str, made: dict[str, str]) -> str:
    """The page with the table."""
    above, _, rest = page.partition(f"{HEADING}\n")
    intro = re.split(r"\n\|", rest)[0].strip()
    return f"{above}{HEADING}\n\n{intro}\n\n{table(made)}\n"


if __name__ == "__main__":
    import callbacks  # noqa: F401  the configs name them

    write_atomically(PAGE, render(PAGE.read_text(), rows()))
