"""The benchmarks of the `test` verb: each is an entry of the config, of which a run takes any subset, n and limit."""

from dataclasses import replace

import lightning.pytorch as pl

from acereason.common.errors import UserError
from acereason.common.names import check_names
from acereason.common.types import Problem, Sampling
from acereason.data.bad_rows import BadRows, refuse_bad_rows, refuse_twins
from acereason.data.benchmark import Measured
from acereason.data.loader import Loader
from acereason.data.loading import load_problems, longest_prompt, unusable
from acereason.data.policy import JudgedPolicy
from acereason.data.prompts import Template


class EvaluationData(pl.LightningDataModule):
    """Loads the problems of benchmarks, templated and checked.

    Args:
        benchmarks: all benchmarks, by name.
        only: names of the benchmarks to measure; null takes all.
        n: responses per problem of each; null takes each benchmark's own.
        limit: number of each benchmark's first problems to take; null takes all.
        max_response_length: response budget of each, tokens; null takes each benchmark's own.
        template: the prompt's text.
        bad_rows: what to do with rows without a statement or an answer, with one that is no text or can't be parsed, or
            with a prompt beyond the context: `error` stops, `exclude` goes on without them; both tell how many they
            are, and show some.
    """

    def __init__(
        self,
        benchmarks: dict[str, Measured],
        only: list[str] | None = None,
        n: int | None = None,
        limit: int | None = None,
        max_response_length: int | None = None,
        template: Template = Template(),  # noqa: B008  read only
        bad_rows: BadRows = "error",
    ) -> None:
        super().__init__()
        self.policy: JudgedPolicy
        """The module, which `Trainer.connect` names."""
        for name in only or []:
            if name not in benchmarks:
                raise UserError(f"data.only: no {name!r} under data.benchmarks; there are {sorted(benchmarks)}")
        self.benchmarks = {name: _changed(benchmarks[name], n, max_response_length) for name in only or benchmarks}
        self.limit, self.template, self.bad_rows = limit, template, bad_rows
        self._problems: dict[str, list[Problem]] = {}
        self._check()

    def setup(self, stage: str) -> None:
        """Load, template, tokenize and check every benchmark."""
        self.template.check(self.policy.tokenizer)
        for name in self.benchmarks:
            self.load(name)

    def load(self, name: str) -> list[Problem]:
        """Load, template, tokenize and check a benchmark, once."""
        if name not in self._problems:
            self._problems[name] = self._load(name)
        return self._problems[name]

    def benchmark_problems(self, name: str) -> list[Problem]:
        """Return the loaded problems of a benchmark."""
        return self._problems[name]

    def longest(self, sampling: Sampling) -> int:
        """Return the tokens that the longest prompt and response of the loaded problems may have together."""
        return max(
            max(len(problem.prompt_ids) for problem in self._problems[name]) + entry.max_response_length
            for name, entry in self.benchmarks.items()
        )

    def test_dataloader(self) -> Loader[None]:
        """Return a loader of one empty batch: the module takes the benchmarks' problems itself."""
        return Loader([[0]], lambda _: None)

    val_dataloader = test_dataloader

    def _load(self, name: str) -> list[Problem]:
        module, entry, key = self.policy, self.benchmarks[name], f"data.benchmarks.{name}.source"
        source = entry.source if self.limit is None else replace(entry.source, limit=self.limit)
        problems, bad = load_problems(source, name, self.template, module.tokenizer, key)
        refuse_twins(problems, key)
        total = len(problems) + len(bad)
        budgets = {f"data.benchmarks.{name}": entry.max_response_length}
        longest = longest_prompt(budgets, module.config.max_position_embeddings)
        bad |= unusable(problems, longest, module.rewards)
        refuse_bad_rows(bad, total, key, self.bad_rows)
        return [problem for problem in problems if problem.id not in bad]

    def _check(self) -> None:
        if not self.benchmarks:
            raise UserError("data.benchmarks: name at least one")
        check_names(self.benchmarks, "data.benchmarks")
        for name, entry in self.benchmarks.items():
            if entry.n < 1:
                raise UserError(f"data.benchmarks.{name}.n: must be at least 1, not {entry.n}")
            entry.source.check(f"data.benchmarks.{name}.source")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"data.limit: must be at least 1, not {self.limit}")


def _changed(entry: Measured, n: int | None, max_response_length: int | None) -> Measured:
    budget = entry.max_response_length if max_response_length is None else max_response_length
    return replace(entry, n=entry.n if n is None else n, max_response_length=budget)
