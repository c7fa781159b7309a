"""The data module of reinforcement learning: the remaining problems of each epoch's stage, and the benchmarks."""

from typing import Any

import lightning.pytorch as pl

from acereason.common.errors import UserError
from acereason.common.names import check_names
from acereason.common.seeds import shuffled
from acereason.common.types import Problem, Sampling
from acereason.data.bad_rows import BadRows, refuse_bad_rows, refuse_twins
from acereason.data.benchmark import Benchmark
from acereason.data.curriculum import Curriculum, Plan
from acereason.data.loader import Loader, batched
from acereason.data.loading import load_problems, longest_prompt, unusable
from acereason.data.policy import RolledPolicy
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.stage import Stage


class RLData(pl.LightningDataModule):
    """Serves prompts stage by stage.

    Each epoch is planned when Lightning asks for its loader (`Trainer(reload_dataloaders_every_n_epochs=1)`): its
    stage, the problems that are left, and their order. The plan is saved with every checkpoint.

    Args:
        sources: where problems come from, by name.
        stages: the curriculum, in order.
        benchmarks: benchmarks that Evaluation, `validate` and `test` measure, by name.
        template: the prompt's text.
        bad_rows: what to do with rows without a statement or an answer, with one that is no text or can't be parsed, or
            with a prompt beyond the context: `error` stops, `exclude` goes on without them; both tell how many they
            are, and show some.
        seed: of the order of problems.
    """

    trainer: pl.Trainer

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
        self.policy: RolledPolicy
        """The module, which `Trainer.connect` names."""
        self.curriculum = Curriculum(self.stages)
        self._problems: dict[str, list[Problem]] = {}
        self.problems: list[Problem] = []
        """The problems of the current epoch: the stage's without those that callbacks left out."""
        self._check()

    @property
    def plan(self) -> Plan:
        """The plan of the current epoch; an AttributeError before the first epoch."""
        return self.curriculum.plan

    @property
    def stage(self) -> Stage:
        """The stage of the current epoch."""
        return self.curriculum.current

    @property
    def stage_ended(self) -> bool:
        """Whether the stage has had its last step."""
        return self.curriculum.ended(self.trainer.global_step)

    @property
    def has_code(self) -> bool:
        """Whether any loaded problem is judged by running programs."""
        return any(problem.tests is not None for problems in self._problems.values() for problem in problems)

    def setup(self, stage: str) -> None:
        """Load, template, tokenize and check all sources that the verb uses."""
        if stage == "fit":
            self.check_trainer()
        measured = [benchmark.source for benchmark in self.benchmarks.values()]
        trained = [name for entry in self.stages.values() for name in entry.sources]
        self.load(trained + measured if stage == "fit" else measured)

    def load(self, names: list[str]) -> None:
        """Load, template, tokenize and check these sources, each once."""
        self.template.check(self.policy.tokenizer)
        if not names:
            raise UserError("data.benchmarks: name at least one, which is measured")
        for name in dict.fromkeys(names):
            if name not in self._problems:
                self._problems[name] = self._load(name)

    def train_dataloader(self) -> Loader[Problem]:
        """Return this epoch's prompts in batches; an incomplete last batch is left out unless it is the only one."""
        begins = self.curriculum.advance(self.trainer.current_epoch, self.trainer.global_step)
        self.problems = self.policy.select_problems(self.problems_of(self.plan.stage), begins)
        if not self.problems:
            raise UserError(
                f"data.stages.{self.plan.stage}: every problem is solved and filtered out; add problems, or fewer steps"
            )
        batches = self._batches(self._drawn())
        self.curriculum.begin_epoch(len(batches))
        return Loader(batches, self.problems.__getitem__)

    def further(self, taken: set[str]) -> list[Problem]:
        """Return the epoch's problems but for those of these ids, in an order drawn for this step: a step that is
        refilled takes from its beginning."""
        left = [self.problems[i] for i in self._drawn() if self.problems[i].id not in taken]
        return shuffled(left, self.seed, "refill", self.plan.stage, self.trainer.global_step)

    def val_dataloader(self) -> list[Loader[None]]:
        """Return a loader of one empty batch: GRPOModule.evaluate takes the benchmarks' problems itself. While training
        there is none, as the callback Evaluation evaluates."""
        return [] if self.trainer.state.fn == "fit" else [Loader([[0]], lambda _: None)]

    test_dataloader = val_dataloader

    def problems_of(self, name: str) -> list[Problem]:
        """Return all problems of a stage, before any callback leaves some out."""
        stage = self.stages[name]
        problems = [problem for source in stage.sources for problem in self._problems[source]]
        if stage.difficulty is None:
            return problems
        low, high = stage.difficulty
        if unrated := [problem.id for problem in problems if problem.difficulty is None]:
            raise UserError(
                f"data.stages.{name}.difficulty: {len(unrated)} problems have none, first {unrated[0]}; name its "
                "column in the source's fields.difficulty"
            )
        rated = [problem for problem in problems if low <= (problem.difficulty or 0.0) <= high]
        if not rated:
            raise UserError(
                f"data.stages.{name}.difficulty: none of {len(problems)} problems is in {low:g} to {high:g}"
            )
        return rated

    def benchmark_problems(self, name: str) -> list[Problem]:
        """Return the loaded problems of a benchmark."""
        return self._problems[self.benchmarks[name].source]

    def count_problems(self, name: str) -> int:
        """Return the number of problems of an epoch of the named stage, before any callback leaves some out."""
        problems = self.problems_of(name)
        counts = {source: sum(problem.source == source for problem in problems) for source in self.stages[name].shares}
        return sum(max(1, round(share * counts[source])) for source, share in self.stages[name].shares.items())

    def take(self, problems: dict[str, list[Problem]]) -> None:
        """Use these problems, by source, instead of loading them."""
        self._problems |= problems

    def state_dict(self) -> dict[str, Any]:
        """Return the plan of the current epoch."""
        return self.curriculum.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the plan, under the stages as they are configured now."""
        self.curriculum.load_state_dict(state_dict)

    def _drawn(self) -> list[int]:
        """Return indices into `problems` in this epoch's order, each source at its share."""
        order = shuffled(range(len(self.problems)), self.seed, "order", self.plan.stage, self.plan.epoch)
        by_source = {name: [i for i in order if self.problems[i].source == name] for name in self.stage.shares}
        kept = {i for name, share in self.stage.shares.items() for i in _share(by_source[name], share)}
        return [i for i in order if i in kept]

    def _batches(self, order: list[int]) -> list[list[int]]:
        size, plan = self.stage.prompts_per_step, self.plan
        # why: the order changes by epoch, so that each problem of an incomplete batch has its turn in others
        batches = [batch for batch in batched(order, size) if len(batch) == size] or [order]
        if self.stage.steps is None:
            return batches
        return batches[: plan.stage_start + self.stage.steps - plan.epoch_start]

    def _load(self, name: str) -> list[Problem]:
        module, key = self.policy, f"data.sources.{name}"
        problems, bad = load_problems(self.sources[name], name, self.template, module.tokenizer, key)
        refuse_twins(problems, key)
        total = len(problems) + len(bad)
        longest = longest_prompt(self.budgets(name, module.sampling), module.config.max_position_embeddings)
        bad |= unusable(problems, longest, module.rewards)
        refuse_bad_rows(bad, total, key, self.bad_rows)
        return [problem for problem in problems if problem.id not in bad]

    def budgets(self, source: str, sampling: Sampling) -> dict[str, int]:
        """Return {YAML key: response budget} of the stages and benchmarks that use a source."""
        stages = {f"data.stages.{key}": entry for key, entry in self.stages.items() if source in entry.sources}
        benchmarks = {f"data.benchmarks.{k}": entry for k, entry in self.benchmarks.items() if entry.source == source}
        used = stages | benchmarks
        return {key: entry.max_response_length or sampling.max_response_length for key, entry in used.items()}

    def longest(self, sampling: Sampling) -> int:
        """Return the tokens that the longest prompt and response of the loaded problems may have together."""
        return max(
            max(len(problem.prompt_ids) for problem in problems) + max(self.budgets(name, sampling).values())
            for name, problems in self._problems.items()
        )

    def check_trainer(self) -> None:
        """Raise a UserError if the trainer lacks a setting or a callback that the stages need."""
        if not self.stages:
            raise UserError("data.stages: fit needs at least one stage")
        if self.trainer.reload_dataloaders_every_n_epochs != 1:
            raise UserError("trainer.reload_dataloaders_every_n_epochs: must be 1, every epoch is planned anew")
        listed = self.policy.callback_names()
        for name, entry in self.stages.items():
            entry.check_callbacks(f"data.stages.{name}", listed)
            if entry.refill and self.policy.num_waves > 1:
                raise UserError(
                    f"data.stages.{name}.refill: set it to 0, or model.num_waves to 1: a wave is trained on before the "
                    "step knows which of its groups to replace"
                )
            updates = self.policy.off_policy.updates if self.policy.off_policy else 1
            if entry.prompts_per_step < updates:
                raise UserError(
                    f"data.stages.{name}.prompts_per_step: {entry.prompts_per_step} prompts can't be cut into "
                    f"model.off_policy.updates: {updates} mini batches"
                )

    def _check(self) -> None:
        check_names(self.sources, "data.sources")
        check_names(self.stages, "data.stages")
        check_names(self.benchmarks, "data.benchmarks")
        for name, entry in self.stages.items():
            entry.check(f"data.stages.{name}")
            self._require(f"stages.{name}.sources", list(entry.sources), "sources", self.sources)
            monitored = [entry.monitor] if entry.monitor else []
            self._require(f"stages.{name}.monitor", monitored, "benchmarks", self.benchmarks)
            if monitored and f"best-of-{name}" in self.stages:
                raise UserError(f"data.stages.best-of-{name}: the best policy of stage {name} is exported by this name")
        for name, benchmark in self.benchmarks.items():
            self._require(f"benchmarks.{name}.source", [benchmark.source], "sources", self.sources)
        for before, (name, entry) in zip([None, *self.stages.values()], self.stages.items(), strict=False):
            if entry.keep_filtered and before is None:
                raise UserError(f"data.stages.{name}.keep_filtered: it is the first stage, there is none before it")
            if entry.start_from == "best" and (before is None or before.monitor is None):
                raise UserError(f"data.stages.{name}.start_from: best needs a monitor in the stage before it")

    def _require(self, key: str, names: list[str], where: str, known: dict[str, Any]) -> None:
        for name in names:
            if name not in known:
                raise UserError(f"data.{key}: no {name!r} under data.{where}; there are {sorted(known)}")


def _share(items: list[int], share: float) -> list[int]:
    return items[: max(1, round(share * len(items)))]
