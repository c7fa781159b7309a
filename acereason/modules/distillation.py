"""On-policy distillation: a teacher's log-probs of the policy's own responses give their tokens advantages. Beyond the
paper.

The policy samples, as in GRPO, and each token's advantage is log pi_teacher - log pi_policy of that token, alone or
added to the verifier's. Its expectation under the policy is minus the reverse KL divergence at that prefix, of which
the update thus takes the gradient token by token (Gu et al. 2023, arXiv 2306.08543; Agarwal et al. 2023, arXiv
2306.13649; Lu et al. 2025, "On-Policy Distillation", Thinking Machines Lab).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import torch
from torch.distributed.device_mesh import DeviceMesh

from acereason.common.errors import UserError
from acereason.common.types import Group, Sampling, Sequence
from acereason.data.rl import RLData
from acereason.data.stage import values_of
from acereason.modules.sequences import as_sequence
from acereason.processes.distributed import gather
from acereason.sampling.teachers.frozen import Computing, FrozenTeacher
from acereason.sampling.teachers.logprobs import LogprobServer, ServedTeacher


class TeacherErrors(RuntimeError):
    """A teacher gave no log-probs of too many responses."""


@dataclass
class Teacher:
    """A teacher of the policy's own responses: `pretrained` or `server`."""

    pretrained: str | None = None
    """Hub name or folder of a Qwen2, Qwen2.5 or Qwen3 model with the policy's vocabulary, which runs on the policy's
    devices, sharded as it is."""
    server: LogprobServer | None = None
    """Server that runs such a teacher and gives log-probs of prompts, as vLLM's does; the policy then samples at
    temperature 1."""
    coefficient: float = 1.0
    """Factor of log pi_teacher - log pi_policy, in nats, in a token's advantage; 0: the teacher is asked for metrics
    alone."""
    verifier: float = 0.0
    """Factor of the advantage that verdicts give the response (Eq. 2), which is added; 0: the teacher's alone."""
    max_error_rate: float = 0.05
    """Share of a step's responses in the loss that the teacher may give no log-probs of; above it the run stops and
    shows why."""

    def __post_init__(self) -> None:
        if (self.pretrained is None) == (self.server is None):
            raise ValueError("teacher: give either pretrained (a Hub name or folder) or server")
        if min(self.coefficient, self.verifier) < 0 or self.coefficient == self.verifier == 0:
            raise ValueError("teacher: coefficient and verifier must be 0 or more, and one of them above 0")
        if not 0 <= self.max_error_rate <= 1:
            raise ValueError(f"teacher.max_error_rate must be in [0, 1], not {self.max_error_rate}")


class Distillation:
    """The teacher of a run, and what it has told in the current step.

    Args:
        settings: the teacher, and how it counts.
        policy: the policy that it teaches.
    """

    def __init__(self, settings: Teacher, policy: Computing) -> None:
        self.settings, self.policy = settings, policy
        self._told: list[tuple[float, int]] = []
        self._failures: list[str] = []
        self._source: FrozenTeacher | ServedTeacher | None = None

    def __str__(self) -> str:
        name = self.settings.pretrained or (self.settings.server and self.settings.server.model)
        verifier = f" + {self.settings.verifier:g} x Eq. 2" if self.settings.verifier else ""
        own = f"{self.settings.coefficient:g} x (log pi_teacher - log pi_policy)"
        return f"teacher: {name}; the advantage of a token is {own}{verifier}"

    @property
    def served(self) -> bool:
        """Whether the teacher is behind a server."""
        return self.settings.server is not None

    def check(self, data: RLData, sampling: Sampling) -> None:
        """Raise a UserError where the teacher, the policy and the stages don't go together.

        Args:
            data: the run's data, loaded.
            sampling: the module's, which stages may override.
        """
        for name, stage in data.stages.items():
            if stage.refill:
                raise UserError(f"data.stages.{name}.refill: must be 0: beside model.teacher every group teaches")
        longest, server = data.longest(sampling), self.settings.server
        if server is None:
            self._source = local = FrozenTeacher(str(self.settings.pretrained), self.policy)
            local.check(longest)
            return
        with _named():
            self._source = served = ServedTeacher(server, longest)
            for name, stage in data.stages.items():
                for temperature in values_of(stage.temperature) or [sampling.temperature]:
                    served.check_temperature(temperature, f"data.stages.{name}")
            served.check(self.policy.tokenizer)

    def build(self, device: torch.device, mesh: DeviceMesh | None) -> None:
        """Load the weights of a local teacher. Every rank must call it."""
        if isinstance(self._source, FrozenTeacher):
            self._source.build(device, mesh)

    def teach(self, groups: list[Group], temperature: float) -> None:
        """Give each response in the loss the advantages of its tokens; one that the teacher gives no log-probs of
        leaves the loss. Every rank must call it as often.

        Args:
            groups: this rank's groups, with the verifier's advantages, which are scaled.
            temperature: sampling temperature of the responses; the teacher is asked at the same.
        """
        # why the same: where a tempered policy equals its teacher tempered alike, both are equal at any temperature
        taught = [(group, each) for group in groups for each in group.rollouts if each.in_loss]
        found = self._logprobs([as_sequence(group, rollout, 0.0) for group, rollout in taught], temperature)
        for (group, rollout), logprobs in zip(taught, found, strict=True):
            rollout.advantage *= self.settings.verifier
            gaps = logprobs if isinstance(logprobs, str) else _gaps(logprobs, rollout.response.sampler_logprobs)
            if isinstance(gaps, str):
                # why not with the verifier's advantage alone: its tokens would be pulled by another objective than all
                # others. As where a verifier fails, it is counted, and its tokens leave the denominator
                rollout.in_loss = False
                self._failures.append(f"{group.problem.id}: {gaps}")
                continue
            if self.settings.coefficient:
                rollout.token_advantages = [self.settings.coefficient * gap for gap in gaps]
            self._told.append((-sum(gaps), len(gaps)))

    def metrics(self) -> dict[str, float]:
        """Return what the teacher has told since the last call, over all ranks.

        distill/kl: mean over tokens of log pi_policy - log pi_teacher, an unbiased estimate of the reverse KL
        divergence a token, in nats; of few tokens it may be below 0. distill/errors: responses that left the loss, as
        the teacher gave no log-probs of them.

        Raises:
            TeacherErrors: these are more than `max_error_rate` of the step's.
        """
        told, failures = gather(self._told), gather(self._failures)
        self._told, self._failures = [], []
        asked = len(told) + len(failures)
        if len(failures) > self.settings.max_error_rate * asked:
            shown = "\n  ".join(failures[:5])
            raise TeacherErrors(
                f"the teacher gave no log-probs of {len(failures)} of {asked} responses, above "
                f"model.teacher.max_error_rate {self.settings.max_error_rate:g}:\n  {shown}"
            )
        tokens = sum(length for _, length in told)
        kl = sum(total for total, _ in told) / tokens if tokens else float("nan")
        return {"distill/kl": kl, "distill/errors": float(len(failures))}

    def close(self) -> None:
        """Free the teacher's memory and connections."""
        if isinstance(self._source, ServedTeacher):
            self._source.close()
        self._source = None

    def _logprobs(self, rows: list[Sequence], temperature: float) -> list[list[float] | str]:
        if self._source is None:
            raise RuntimeError("model.teacher: asked before it was started")
        with _named():
            return self._source.logprobs(rows, temperature)


def _gaps(teacher: list[float], policy: list[float]) -> list[float] | str:
    """Return the [R] values of log pi_teacher - log pi_policy of a response's tokens, or why there are none.

    Args:
        teacher: [R] the teacher's log-probs.
        policy: [R] the engine's, of the policy.
    """
    # why the engine's: it drew the tokens, and its log-probs are there before the update's pass
    gaps = [told - own for told, own in zip(teacher, policy, strict=True)]
    return gaps if all(map(isfinite, gaps)) else "the engine gave no log-prob of a token"


@contextmanager
def _named() -> Iterator[None]:
    """Put a mistake of the server's settings under the key that holds them."""
    try:
        yield
    except UserError as error:
        raise UserError(f"model.teacher.{error}") from error
