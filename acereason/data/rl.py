"""The problems of reinforcement learning: each epoch its stage's remaining problems, and the benchmarks."""

from dataclasses import asdict, dataclass
from typing import Any

import lightning.pytorch as pl

from acereason.data.curriculum import Plan, Stage, next_plan
from acereason.data.loader import Loader, batched
from acereason.data.problems import BadRows, Source, attach_tests, refuse_bad_rows
from acereason.data.prompts import Template
from acereason.errors import UserError
from acereason.rewards.pool import RewardPool
from acereason.seeds import shuffled
from acereason.types import Problem, Sampling

_EVALUATED_AT_ONCE = 128


@dataclass
class Benchmark:
    """Problems on which accuracy is measured: avg@n."""

    source: str
    """Name under data.sources."""
    n: int = 1
    """Responses per problem."""
    temperature: float = 0.6
    """Sampling temperature (the paper's, 4.1)."""
    top_p: float = 0.95
    """Nucleus mass (the paper's, 4.1)."""
    max_response_length: int = 32768
    """Response budget, tokens (the paper's, 4.1)."""

    @property
    def sampling(self) -> Sampling:
        """How its responses are drawn."""
        return Sampling(self.temperature, self.max_response_length, self.top_p)


class RLData(pl.LightningDataModule):
    """Serves prompts stage by stage.

    Each epoch is planned when Lightning asks for its loader (`Trainer(reload_dataloaders_every_n_epochs=1)`): which
    stage, which problems are left, in which order. What decides that is saved with every checkpoint.

    Args:
        sources: where problems come from, by name.
        stages: the curriculum, in order.
        benchmarks: what `validate` and `test` measure, by name.
        template: the prompt's text.
        bad_rows: what to do with rows without an answer, with an unparsable one, or with a prompt beyond the context:
            `error` stops with their list; `exclude` prints the list and goes on.
        seed: of the order of problems.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        stages: dict[str, Stage] | None = None,
        benchmarks: dict[str, Benchmark] | None = None,
        template: Template = Template(),  # noqa: B008  read only
        bad_rows: BadRows = "error",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sources, self.stages, self.benchmarks = sources, stages or {}, benchmarks or {}
        self.template, self.bad_rows, self.seed = template, bad_rows, seed
        self._plan: Plan | None = None
        self.solved: dict[str, int] = {}
        """Problem id -> the epoch in which every one of its rollouts was correct; it is left out of later epochs."""
        self._problems: dict[str, list[Problem]] = {}
        self._check()

    @property
    def plan(self) -> Plan:
        """What the current epoch trains on; an AttributeError before the first epoch."""
        if self._plan is None:
            raise AttributeError("no epoch has been planned yet")
        return self._plan

    @property
    def stage(self) -> Stage:
        """The stage of the current epoch."""
        return self.stages[self.plan.stage]

    @property
    def steps_left(self) -> int:
        """Updates until the current stage ends."""
        return self.plan.stage_start + self.stage.steps - self.trainer.global_step

    @property
    def finished(self) -> bool:
        """Whether the last stage has had its steps."""
        return self._plan is not None and self.plan.stage == list(self.stages)[-1] and self.steps_left <= 0

    def setup(self, stage: str) -> None:
        """Load, template, tokenize and check every source in use."""
        if stage == "fit":
            self._check_trainer()
        used = [benchmark.source for benchmark in self.benchmarks.values()]
        trained = [name for entry in self.stages.values() for name in entry.sources] if stage == "fit" else []
        for name in dict.fromkeys([*trained, *used]):
            if name not in self._problems:
                self._problems[name] = self._load(name)

    def train_dataloader(self) -> Loader[Problem]:
        """This epoch's prompts; the last incomplete batch is left out unless it is the only one (the order changes by
        epoch)."""
        epoch, step = self.trainer.current_epoch, self.trainer.global_step
        if self._plan is None or self._plan.epoch != epoch:
            self._plan = next_plan(self.stages, self._plan, epoch, step) or self._plan
        problems = self.remaining()
        if not problems:
            raise UserError(
                f"data.stages.{self.plan.stage}: every problem is solved and filtered out; add problems, or fewer steps"
            )
        order = shuffled(range(len(problems)), self.seed, "order", self.plan.stage, self.plan.epoch)
        size = self.stage.prompts_per_step
        batches = [batch for batch in batched(order, size) if len(batch) == size] or [order]
        steps_left = self.plan.stage_start + self.stage.steps - self.plan.epoch_start
        return Loader(batches[:steps_left], problems.__getitem__)

    def val_dataloader(self) -> list[Loader[Problem]]:
        """One loader for each benchmark."""
        return [self._benchmark_loader(self._problems[benchmark.source]) for benchmark in self.benchmarks.values()]

    test_dataloader = val_dataloader

    def stage_problems(self) -> list[Problem]:
        """All problems of the current stage."""
        return [problem for name in self.stage.sources for problem in self._problems[name]]

    def remaining(self) -> list[Problem]:
        """The current stage's problems without those solved in earlier epochs, where the stage filters."""
        problems = self.stage_problems()
        if not self.stage.easy_filter:
            return problems
        return [problem for problem in problems if self.solved.get(problem.id, self.plan.epoch) >= self.plan.epoch]

    def state_dict(self) -> dict[str, Any]:
        """The plan and the solved set."""
        return {"plan": asdict(self._plan) if self._plan else None, "solved": dict(self.solved)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the plan and the solved set."""
        self._plan = Plan(**state_dict["plan"]) if state_dict["plan"] else None
        self.solved = state_dict["solved"]

    def _benchmark_loader(self, problems: list[Problem]) -> Loader[Problem]:
        return Loader(batched(list(range(len(problems))), _EVALUATED_AT_ONCE), problems.__getitem__)

    def _load(self, name: str) -> list[Problem]:
        source, key = self.sources[name], f"data.sources.{name}"
        rows = source.rows(key)
        problems = [source.problem(row, index, name) for index, row in enumerate(rows)]
        bad = attach_tests(source, rows, problems) if source.task == "code" else {}
        tokenizer = self.trainer.lightning_module.tokenizer
        for problem in problems:
            problem.prompt_ids = self.template.encode_prompt(problem, tokenizer)
        usable = [problem for problem in problems if problem.id not in bad]
        bad |= self._bad_rows(usable, self._longest_prompt(name), self.trainer.lightning_module.rewards)
        refuse_bad_rows(bad, len(problems), key, self.bad_rows)
        return [problem for problem in problems if problem.id not in bad]

    def _bad_rows(self, problems: list[Problem], longest: int, rewards: RewardPool) -> dict[str, str]:
        """{problem id: why it can't be used}"""
        bad = {
            problem.id: reason
            for problem, reason in zip(problems, rewards.gold_problems(problems), strict=True)
            if reason
        }
        for problem in problems:
            if len(problem.prompt_ids) > longest:
                bad.setdefault(
                    problem.id,
                    f"a prompt of {len(problem.prompt_ids)} tokens where {longest} fit beside the response budget",
                )
        return bad

    def _longest_prompt(self, name: str) -> int:
        """Tokens that the context leaves a prompt of this source beside the largest response budget in use."""
        module = self.trainer.lightning_module
        budgets = {
            f"data.stages.{key}": entry.max_response_length
            for key, entry in self.stages.items()
            if name in entry.sources
        }
        budgets |= {
            f"data.benchmarks.{key}": entry.max_response_length
            for key, entry in self.benchmarks.items()
            if entry.source == name
        }
        context = module.config.max_position_embeddings
        for key, budget in budgets.items():
            if (budget or module.sampling.max_response_length) >= context:
                raise UserError(
                    f"{key}.max_response_length: the model's context of {context} tokens leaves no room for a prompt"
                )
        return context - max(budget or module.sampling.max_response_length for budget in budgets.values())

    def _check_trainer(self) -> None:
        if not self.stages:
            raise UserError("data.stages: fit needs at least one stage")
        if self.trainer.reload_dataloaders_every_n_epochs != 1:
            raise UserError("trainer.reload_dataloaders_every_n_epochs: must be 1, every epoch is planned anew")
        listed = {base.__name__ for callback in self.trainer.callbacks for base in type(callback).__mro__}
        for name, entry in self.stages.items():
            entry.check_callbacks(f"data.stages.{name}", listed)

    def _check(self) -> None:
        for name, entry in self.stages.items():
            entry.check(f"data.stages.{name}")
        for key, names in [(f"stages.{name}.sources", entry.sources) for name, entry in self.stages.items()] + [
            (f"benchmarks.{name}.source", [entry.source]) for name, entry in self.benchmarks.items()
        ]:
            if unknown := [name for name in names if name not in self.sources]:
                raise UserError(
                    f"data.{key}: no source {unknown[0]!r} under data.sources; there are {sorted(self.sources)}"
                )
