"""Callbacks for tests of runs on vLLM: they look into the engine, or break it."""

import json
import os
import signal
import threading

import lightning.pytorch as pl
import torch

from acereason.common.types import Sampling
from acereason.models.exports import export
from acereason.modules.hooks import run_folder


class Compare(pl.Callback):
    """After each update, listed after WeightSync: what the engine generates, beside an export of the same policy."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        folder = run_folder(trainer) / "compared" / f"{trainer.global_step:02}"
        export(pl_module.model, pl_module.tokenizer, folder, is_writer=True)
        rows = []
        for sampling, n in ((Sampling(0, 8), 1), (Sampling(0.85, 8), 2)):
            groups = {
                g.problem.id: g for g in pl_module.engine.generate(trainer.datamodule.problems[:3], sampling, n, 3)
            }
            for problem in trainer.datamodule.problems[:3]:
                rows += [(r.response.token_ids, r.response.sampler_logprobs) for r in groups[problem.id].rollouts]
        prompts = [(problem.id, problem.prompt_ids) for problem in trainer.datamodule.problems[:3]]
        (folder / "engine.json").write_text(json.dumps({"prompts": prompts, "rows": rows}))


class Break(pl.Callback):
    """At one step, listed before WeightSync, something goes wrong.

    Args:
        how: `kill in generation`, `kill in sync`, `stop in sync` (SIGSTOP), `missing`, `shape`, `nan`, `forget` (the
            engine keeps the old weights), `exception`.
        step: updates before it.
    """

    def __init__(self, how: str, step: int = 3) -> None:
        self.how, self.step = how, step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step and self.how == "kill in generation":
            process, generate = pl_module.engine.core.process, pl_module.engine.core.generate

            def dying(requests, sampling):
                os.kill(process.pid, signal.SIGSTOP)  # so that it can't be done before it dies
                threading.Timer(0.5, os.kill, (process.pid, signal.SIGKILL)).start()
                return generate(requests, sampling)

            pl_module.engine.core.generate = dying
        if trainer.global_step == self.step and self.how == "exception":
            raise OSError("made up")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step != self.step:
            return
        engine = pl_module.engine
        if self.how == "nan":
            with torch.no_grad():
                pl_module.model.model.norm.weight[3] = float("nan")
        if self.how == "forget":

            def forget(named_tensors, version):
                list(named_tensors)
                engine.policy_version = version

            engine.update_weights = forget
        if self.how in ("kill in sync", "stop in sync", "missing", "shape"):
            update = engine.update_weights
            engine.update_weights = lambda named, version: update(self._spoiled(named, engine), version)

    def _spoiled(self, named_tensors, engine):
        for number, (name, tensor) in enumerate(named_tensors):
            if number == 4 and self.how == "missing":
                continue
            if number == 4 and self.how in ("kill in sync", "stop in sync"):
                os.kill(engine.core.process.pid, signal.SIGKILL if self.how == "kill in sync" else signal.SIGSTOP)
            yield name, tensor[:-1] if number == 4 and self.how == "shape" else tensor
