from math import nan
from types import SimpleNamespace

import pytest
import torch

from acereason.algorithm.objective import assign_advantages, denominators
from acereason.common.errors import UserError
from acereason.common.types import Group, Sampling
from acereason.data.stage import Stage
from acereason.models.head import PolicyLoss
from acereason.modules.distillation import Distillation, Teacher, TeacherErrors
from acereason.modules.grpo import GRPOModule
from acereason.modules.sequences import rows_of
from acereason.rollouts.hf import HFEngine
from acereason.sampling.teachers.logprobs import LogprobServer
from tests.support.fakes import BACKBONE, TOKENIZER, group, rollout

POLICY = SimpleNamespace(tokenizer=TOKENIZER)


class Told:
    """Gives log-probs that were made by hand, in the order of the rows."""

    def __init__(self, *logprobs: list[float] | str) -> None:
        self.left, self.asked = list(logprobs), []

    def logprobs(self, rows, temperature):
        self.asked += [(row.response_length, temperature) for row in rows]
        taken, self.left = self.left[: len(rows)], self.left[len(rows) :]
        return taken


def taught(groups: list[Group], *logprobs: list[float] | str, **settings) -> Distillation:
    """The groups have the advantages of verdicts and of a teacher."""
    distillation = Distillation(Teacher(pretrained="x", **settings), policy=None)
    distillation._source = Told(*logprobs)
    assign_advantages(groups)
    distillation.teach(groups, 0.7)
    return distillation


def mixed() -> Group:
    """A correct response of one token and a wrong one of two; the engine gives each token a log-prob of -1."""
    return group(rollout("correct", 1), rollout("wrong", 2))


def weights(group: Group, normalize: str) -> list[list[float]]:
    """The factors of each row's tokens."""
    rows = rows_of(group, normalize)
    return [[row.weight + own for own in row.token_weights or [0.0] * row.response_length] for row in rows]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[0.5], [-2.0, 1.0]]),  # log pi_teacher - log pi_policy: -0.5 + 1, -3 + 1, 0 + 1
        ({"coefficient": 0.1}, [[0.05], [-0.2, 0.1]]),
        ({"verifier": 2.0}, [[0.5 + 2**0.5], [-2 - 2**0.5, 1 - 2**0.5]]),  # Eq. 2: 0.5 / std([1, 0]) = 0.5 ** 0.5
        ({"coefficient": 0.0, "verifier": 1.0}, [[0.5**0.5], [-(0.5**0.5)] * 2]),
    ],
    ids=["alone", "a tenth", "beside the verifier", "measured alone"],
)
def test_weights_of_tokens_by_hand(settings, expected):
    groups = [mixed()]
    told = taught(groups, [-0.5], [-3.0, 0.0], **settings)
    assert told._source.asked == [(1, 0.7), (2, 0.7)]  # at the temperature of the rollouts
    each = [value for row in expected for value in row]
    assert sum(weights(groups[0], "batch"), []) == pytest.approx(each, abs=1e-5)
    assert sum(weights(groups[0], "group"), []) == pytest.approx([value / 3 for value in each], abs=1e-5)
    assert told.metrics() == {"distill/kl": pytest.approx(0.5 / 3), "distill/errors": 0.0}


def test_a_group_without_a_verdict_s_signal_is_all_taught():
    """Every response is a row with a gradient of its own, and stands for itself alone."""
    solved = group(*(rollout("correct", 1) for _ in range(9)))
    taught([solved], *([-0.5 - place] for place in range(9)))
    rows = rows_of(solved, "batch")
    assert [(row.token_weights, row.stands_for) for row in rows] == [([0.5 - place], 1.0) for place in range(9)]
    assert all(row.has_gradient for row in rows)


def test_a_response_without_the_teacher_s_log_probs_leaves_the_loss_and_is_counted():
    """So do one that is masked, uncounted, and one of whose tokens the engine gave no log-prob."""
    one, other = mixed(), group(rollout("correct", 3), rollout("wrong", 4), rollout("correct", 2), name="q")
    other.rollouts[1].in_loss = False
    other.rollouts[2].response.sampler_logprobs = [-1.0, nan]
    told = taught([one, other], "503, busy", [-2.0, -2.0], [-1.0] * 3, [-1.0] * 2, max_error_rate=0.5)
    assert told._source.asked == [(1, 0.7), (2, 0.7), (3, 0.7), (2, 0.7)]
    assert weights(one, "group") == [[-0.5, -0.5]]  # by the tokens that are left
    assert denominators([one, other]) == {"group": 2, "batch": 2 + 3}
    assert told.metrics() == {"distill/kl": pytest.approx(2 / 5), "distill/errors": 2.0}
    assert told.metrics()["distill/errors"] == 0  # the next step's


def test_too_many_errors_stop_the_run_with_their_words():
    told = taught([mixed()], "503, busy", [-2.0, -2.0], max_error_rate=0.4)
    with pytest.raises(TeacherErrors, match=r"of 1 of 2 responses, above model.teacher.max_error_rate 0.4:\n  p: 503"):
        told.metrics()


def test_the_expected_gradient_is_that_of_the_reverse_kl():
    """Over all tokens that the policy may draw, each as often as it draws it."""
    torch.manual_seed(0)
    logits, teacher = torch.randn(7, requires_grad=True), torch.log_softmax(torch.randn(7), -1)
    policy = torch.log_softmax(logits, -1)
    (expected,) = torch.autograd.grad((policy.exp() * (policy - teacher)).sum(), logits, retain_graph=True)
    one_token = [group(rollout("correct", 1)) for _ in range(7)]
    for drawn, logprob in zip(one_token, policy.tolist(), strict=True):
        drawn.rollouts[0].response.sampler_logprobs = [logprob]
    taught(one_token, *([value] for value in teacher.tolist()))
    factors = torch.tensor([weights(drawn, "batch")[0][0] for drawn in one_token]) * policy.detach().exp()
    hidden = logits.expand(7, 7)
    loss = PolicyLoss.apply(hidden, torch.eye(7), torch.arange(7), factors, torch.full((7,), nan), None, 1.0, 1)[0]
    (ours,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "give either pretrained"),
        ({"pretrained": "x", "server": LogprobServer("http://x", "m")}, "give either pretrained"),
        ({"pretrained": "x", "coefficient": -1.0}, "coefficient and verifier must be 0 or more"),
        ({"pretrained": "x", "coefficient": 0.0}, "one of them above 0"),
        ({"pretrained": "x", "max_error_rate": 1.5}, "max_error_rate must be in"),
    ],
    ids=str,
)
def test_settings_that_teach_nothing_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        Teacher(**settings)


class Stages:
    """Data of one stage."""

    def __init__(self, **settings) -> None:
        self.stages = {"a": Stage(["s"], steps=1, **settings)}

    def longest(self, sampling: Sampling) -> int:
        return 64


def test_a_stage_with_refill_is_refused():
    with pytest.raises(UserError, match=r"^data.stages.a.refill: must be 0: beside model.teacher every group"):
        Distillation(Teacher(pretrained="x"), policy=None).check(Stages(refill=1), Sampling())


def test_a_server_s_log_probs_are_of_temperature_1():
    served = Distillation(Teacher(server=LogprobServer("http://127.0.0.1:9/v1", "m", retries=0)), policy=POLICY)
    message = r"^model.teacher.server: gives log-probs at temperature 1 alone, and data.stages.a samples at 0.9"
    for stages, sampling in ((Stages(temperature=[1.0, 0.9]), Sampling()), (Stages(), Sampling(0.9))):
        with pytest.raises(UserError, match=message):
            served.check(stages, sampling)
    with pytest.raises(UserError, match=r"^model.teacher.server.url: http://127.0.0.1:9/v1 can't be reached"):
        served.check(Stages(temperature=1.0), Sampling(0.9))
    served.close()


def test_without_a_teacher_nothing_is_asked():
    module = GRPOModule(engine=HFEngine(), backbone=BACKBONE)
    groups = [mixed()]
    module.taught(groups)
    assert module.told() == {}
    assert groups[0].rollouts[0].token_advantages is None
