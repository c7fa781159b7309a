"""The tokenized rows of a source on disk: one process of a machine makes them once, and all map them into memory."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, concatenate_datasets, config
from filelock import FileLock
from transformers import PreTrainedTokenizerBase

from acereason import __version__
from acereason.common.files import atomic_path
from acereason.data.bad_rows import BadRow
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.processes.parallel import in_order, progress

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "token_ids": pa.list_(pa.int32()),
        "prompt_length": pa.int32(),
        "length": pa.int32(),
        "bad": pa.string(),
    }
)
"""Columns; `bad` is the reason why a row can't be learnt, else null."""
# why: a kill costs each worker at most one file
PART = 2_000
"""Rows of a file."""
_BATCH = 200
_MADE = 1
"""Version of the tokens, raised whenever a row gets others within a version of this project: old files are not used."""
_UNUSED = {"token_ids": [], "prompt_length": 0, "length": 0}


@dataclass
class Tokenized:
    """Tokenizes a source's rows and keeps them on disk.

    Args:
        source: the source of the rows.
        name: the source's name, with which ids begin.
        template: the prompt's text.
        tokenizer: the model's tokenizer.
    """

    # why: no trainer among them: the object is pickled for other processes
    source: Source
    name: str
    template: Template
    tokenizer: PreTrainedTokenizerBase

    def make(self, key: str, workers: int) -> Path:
        """Return the folder with all rows; make the files that are missing, and keep those that a killed call has left.

        Args:
            key: names the source in errors.
            workers: processes that tokenize.
        """
        rows = self.source.rows(key)
        folder = Path(config.HF_DATASETS_CACHE) / "acereason" / f"tokens-{self._digest(rows)}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            parts = [range(len(rows))[start : start + PART] for start in range(0, len(rows), PART)]
            files = [folder / f"{part.start:010}.arrow" for part in parts]
            missing = [(part, file) for part, file in zip(parts, files, strict=True) if not file.exists()]
            if missing:
                self._write(rows, missing, key, workers)
                size = sum(file.stat().st_size for file in files)
                print(f"{key}: {len(rows):,} rows tokenized, {size / 1e6:,.1f} MB in {folder}", flush=True)
        return folder

    def row(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """Return one row's tokens, or the reason why there are none."""
        try:
            problem = self.source.problem(row, index, self.name)
            response = self.source.solution(row, problem)
        except BadRow as error:
            return _UNUSED | {"id": error.row, "bad": error.reason}
        try:
            response_ids = self.template.encode_response(response, self.tokenizer)
        except ValueError as error:
            return _UNUSED | {"id": problem.id, "bad": str(error)}
        prompt_ids = self.template.encode_prompt(problem, self.tokenizer)
        lengths = {"prompt_length": len(prompt_ids), "length": len(prompt_ids) + len(response_ids)}
        return {"id": problem.id, "token_ids": prompt_ids + response_ids, **lengths, "bad": None}

    def _write(self, rows: Dataset, missing: list[tuple[range, Path]], key: str, workers: int) -> None:
        # why: a file is one worker's, and a small source is not worth the start of more
        workers = min(workers, len(missing))
        for _ in in_order(_write_part, (self, rows), progress(missing, f"tokenizing {key}"), workers):
            pass

    def _digest(self, rows: Dataset) -> str:
        """Return a digest of all that decides the tokens."""
        tokenizer = [self.tokenizer.backend_tokenizer.to_str(), self.tokenizer.all_special_tokens]
        source = [rows._fingerprint, len(rows), asdict(self.source.mapping), self.source.task, self.name]
        # why: the version too, since the code that reads rows and fills templates may change with it
        told = [__version__, _MADE, PART, source, asdict(self.template), tokenizer]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def open_tokens(folder: Path) -> Dataset:
    """Open the rows of a folder in order, mapped into memory."""
    return concatenate_datasets([Dataset.from_file(str(path)) for path in sorted(folder.glob("*.arrow"))])


def _write_part(shared: tuple[Tokenized, Dataset], item: tuple[range, Path]) -> None:
    (tokenized, rows), (places, path) = shared, item
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_stream(file, SCHEMA) as writer,
    ):
        for first in range(0, len(places), _BATCH):
            made = [tokenized.row(rows[index], index) for index in places[first : first + _BATCH]]
            writer.write_batch(pa.RecordBatch.from_pylist(made, SCHEMA))
