from contextlib import nullcontext
from dataclasses import replace
from math import e
from types import SimpleNamespace

import pytest
import torch

from acereason.algorithm.clipping import OffPolicy
from acereason.algorithm.objective import assign_advantages, loss_tokens
from acereason.common.types import Group, Sampling, Sequence
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.modules.measures import Measures
from acereason.modules.sequences import as_sequence
from acereason.rollouts.hf import HFEngine
from tests.support.fakes import BACKBONE, curriculum, fake_trainer, group, plain_logprobs, problem, rollout, tiny_qwen


def module(**settings) -> GRPOModule:
    return GRPOModule(engine=HFEngine(), backbone=BACKBONE, **settings)


def normalized(module: GRPOModule, groups: list[Group]) -> list[Sequence]:
    """The step's sequences, their weights over its denominator."""
    denominator = module.denominator(groups)
    return [replace(sequence, weight=sequence.weight / denominator) for sequence in module.sequences(groups)]


def test_weights_of_a_step_by_hand():
    """Two prompts; the masked response leaves the loss. Eq. 1: advantage / (tokens of the group x number of groups)."""
    groups = [
        group(rollout("correct", 2), rollout("wrong", 6)),
        group(rollout("correct", 1), rollout("correct", 1), rollout("wrong", 2), rollout("wrong", 9, truncated=True)),
    ]
    groups[1].rollouts[3].in_loss = groups[1].rollouts[3].in_baseline = False
    assign_advantages(groups)
    sequences = normalized(module(), groups)
    a, b = 0.5**0.5, 1 / 3**0.5  # (1 - 1/2) / std([1, 0]) and (1 - 2/3) / std([1, 1, 0])
    expected = [a / 8 / 2, -a / 8 / 2, b / 4 / 2, b / 4 / 2, -2 * b / 4 / 2]
    assert [s.weight for s in sequences] == pytest.approx(expected, abs=1e-5)
    assert [s.response_length for s in sequences] == [2, 6, 1, 1, 2]
    batch = normalized(module(normalize="batch"), groups)
    assert [s.weight for s in batch] == pytest.approx([a / 12, -a / 12, b / 12, b / 12, -2 * b / 12], abs=1e-5)


def test_a_group_without_tokens_is_no_group():
    """A prompt whose every response is masked is left out of the mean over prompts."""
    masked = group(rollout("wrong", 5, truncated=True), rollout("wrong", 5, truncated=True))
    for each in masked.rollouts:
        each.in_loss = each.in_baseline = False
    groups = [group(rollout("correct", 1), rollout("wrong", 1)), masked]
    assign_advantages(groups)
    assert [s.weight for s in normalized(module(), groups)] == pytest.approx([0.5**0.5 / 2, -(0.5**0.5) / 2], abs=1e-5)


def test_of_responses_without_a_signal_one_in_eight_is_measured():
    """For the others of its group; those that are masked count nowhere."""
    solved = group(*(rollout("correct", length) for length in range(1, 18)), name="solved")
    for each in solved.rollouts[:3]:
        each.in_loss = False
    mixed = group(rollout("correct", 2), rollout("wrong", 3), name="mixed")
    assign_advantages([solved, mixed])
    rows = module().sequences([solved, mixed])
    assert [(s.response_length, bool(s.weight), s.stands_for) for s in rows] == [
        (4, False, 7.0),  # 14 responses in the loss: the first and the ninth of them
        (12, False, 7.0),
        (2, True, 1.0),
        (3, True, 1.0),
    ]
    scored = group(rollout("wrong", 1), rollout("wrong", 2), rollout("wrong", 3))
    for each, reward in zip(scored.rollouts, (0.0, 0.5, 1.0), strict=True):
        each.reward = reward
    assign_advantages([scored])
    assert [(s.response_length, bool(s.weight)) for s in module().sequences([scored])] == [
        (1, True),
        (3, True),
        (2, False),
    ]


@pytest.mark.parametrize("silent", [1, 3, 4], ids=["one group", "three groups", "all groups"])
def test_the_gradient_is_that_of_all_responses_to_the_last_bit(monkeypatch, silent):
    """The step's gradient is compared with that of every response in the loss; its metrics are close."""
    wave = [spread(name, teaches=place >= silent) for place, name in enumerate("abcd")]
    steps, passes = stepping(monkeypatch, wave, micro_batch_tokens=64), []
    monkeypatch.setattr(steps.model, "token_logprobs", counting(passes, steps.model.token_logprobs))
    metrics = steps.training_step([problem()], 0)
    everything, measures = stepping(monkeypatch, wave, micro_batch_tokens=64), Measures(torch.device("cpu"))
    tokens = {id(each): loss_tokens(each) for each in wave}
    rows = [as_sequence(g, r, r.advantage / tokens[id(g)]) for g in wave for r in g.rollouts]
    everything.accumulate(rows, measures, everything.sampling.temperature)
    for one, other in zip(steps.model.parameters(), everything.model.parameters(), strict=True):
        assert (one.grad is None and other.grad is None) or torch.equal(one.grad, other.grad)
    assert sum(passes) == silent * 4  # tokens: of eight responses the first
    whole = measures.metrics()
    assert metrics["policy/loss"] == whole["policy/loss"]
    assert metrics["policy/entropy"] == pytest.approx(whole["policy/entropy"], rel=0.05)


def spread(name: str, teaches: bool) -> Group:
    """Eight responses of four tokens of their own; correct ones, or one of them wrong."""
    made = group(*(rollout("wrong" if teaches and n == 5 else "correct", 4) for n in range(8)), name=name)
    for number, each in enumerate(made.rollouts):
        each.response.token_ids = [7 * ord(name) % 97 + 11 * number + place for place in range(4)]
    return made


def counting(passes: list[int], method):
    def counted(batch, *args):
        passes.append(len(batch.targets))
        return method(batch, *args)

    return counted


def test_callbacks_see_the_rollouts_in_their_order():
    order = []

    class Watch(RolloutCallback):
        def __init__(self, name):
            self.name = name

        def on_rollouts(self, trainer, module, groups):
            order.append((self.name, len(groups)))

    told = module()
    told.trainer = SimpleNamespace(callbacks=[Watch("a"), object(), Watch("b")])
    told.tell_callbacks([group(rollout())])
    assert order == [("a", 1), ("b", 1)]


class Backwards(HFEngine):
    """Yields its responses in reverse order, as a streaming engine may."""

    policy_version = 3

    def responses(self, problems, sampling, num_rollouts, seed):
        for each in reversed(problems):
            yield from ((each, index, rollout("error").response) for index in range(num_rollouts))


def rolling() -> GRPOModule:
    """A module at step 3 whose engine holds the policy of that step."""
    rolls = GRPOModule(engine=Backwards(), backbone=BACKBONE)
    profiler = SimpleNamespace(profile=lambda name: nullcontext())
    rolls.trainer = SimpleNamespace(global_step=3, state=SimpleNamespace(fn="fit"), profiler=profiler)
    return rolls


def test_an_update_needs_rollouts_of_its_own():
    rolls = rolling()
    rolls.rollout([problem()], Sampling(), 2, seed=0)
    rolls.trainer.global_step = 4
    with pytest.raises(RuntimeError, match="an update at step 4 on rollouts of step 3: each step has its own"):
        rolls.update(Measures(torch.device("cpu")))


def test_rollouts_need_an_engine_that_holds_the_policy_of_the_step():
    rolls = rolling()
    rolls.trainer.global_step = 4
    with pytest.raises(RuntimeError, match="the engine holds policy 3, the trainer is at step 4: list WeightSync"):
        rolls.rollout([problem()], Sampling(), 2, seed=0)


def test_a_stage_begins_before_its_problems_are_chosen():
    """Each callback is told of what those before it leave."""
    order = []

    class Drops(RolloutCallback):
        def __init__(self, name):
            self.name = name

        def on_stage_start(self, trainer, module, problems):
            order.append((f"begin {self.name}", [each.id for each in problems]))

        def select_problems(self, trainer, module, problems):
            order.append((f"select {self.name}", [each.id for each in problems]))
            return [each for each in problems if each.id != self.name]

    chosen = module()
    chosen.trainer = SimpleNamespace(callbacks=[Drops("a"), Drops("b")])
    problems = [problem(name=name) for name in "abc"]
    assert [each.id for each in chosen.select_problems(problems, begins=True)] == ["c"]
    assert order == [
        ("begin a", ["a", "b", "c"]),
        ("select a", ["a", "b", "c"]),
        ("begin b", ["b", "c"]),
        ("select b", ["b", "c"]),
    ]
    order.clear()
    chosen.select_problems(problems, begins=False)
    assert [name for name, _ in order] == ["select a", "select b"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_size": 1}, "group_size must be at least 2, not 1"),
        ({"sampling": Sampling(top_p=0.9)}, "sampling.top_p: must be 1 in RL"),
        ({"sampling": Sampling(temperature=0)}, "sampling.temperature: must be above 0"),
        ({"num_waves": 2}, "num_waves: 2 needs an engine on a device of its own"),
        ({"num_waves": 0}, "num_waves: 0 needs"),
        (
            {"importance_cap": 2.0, "off_policy": OffPolicy(2, old_logprobs="engine")},
            "importance_cap: must be null where off_policy.old_logprobs is engine",
        ),
        ({"importance_cap": 0.0}, "importance_cap must be above 0, not 0"),
        ({"max_logprob_gap": -1.0}, "max_logprob_gap must be above 0, not -1"),
    ],
)
def test_settings_that_cannot_train_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        module(**settings)


def test_an_engine_that_holds_another_policy_is_refused():
    checked = module(max_logprob_gap=0.05)
    checked.trainer = SimpleNamespace(global_step=7)
    checked.accept({"sync/logprob_gap": 0.05})
    checked.accept({})  # an engine that gives no log-probs can't be compared
    for gap in (0.0501, float("nan")):
        with pytest.raises(RuntimeError, match="above model.max_logprob_gap 0.05: .* not hold the policy of step 7"):
            checked.accept({"sync/logprob_gap": gap})


def stepping(monkeypatch, wave: list[Group], **settings) -> GRPOModule:
    """A module with a tiny model whose step has this wave of groups; its gradient stays, and its step is not logged."""
    steps = module(**settings)
    steps.model, steps.trainer = tiny_qwen(), fake_trainer()
    steps.data = SimpleNamespace(curriculum=curriculum())
    steps.section = lambda name: nullcontext()
    replaced = {
        "waves": lambda problems: [wave],
        "manual_backward": lambda loss: loss.backward(),
        "update": lambda measures, denominator: measures.metrics(),
        "refilled": lambda groups: groups,
        "log_step": lambda metrics, groups: metrics,
    }
    for name, function in replaced.items():
        monkeypatch.setattr(steps, name, function)
    return steps


@pytest.mark.parametrize(("cap", "expected"), [(None, 1 - 1), (2.0, 2 - 1 / e), (3.0, e - 1 / e)])
def test_importance_weights_multiply_eq_1(monkeypatch, cap, expected):
    """One token, of which the engine gave an e-th of the trainer's probability in a correct response, and e times as
    much in a wrong one."""
    wave = [group(rollout("correct", 1), rollout("wrong", 1))]
    plain, prompt = tiny_qwen(), wave[0].problem.prompt_ids
    logprob = plain_logprobs(plain, [*prompt, 7])[-1, 7]
    for each, gap in zip(wave[0].rollouts, (1, -1), strict=True):
        each.response.sampler_logprobs = [logprob.item() - gap]
    steps = stepping(monkeypatch, wave, importance_cap=cap, normalize="batch")
    metrics = steps.training_step([problem()], 0)

    loss = -(0.5**0.5) * expected * logprob  # advantages: (1 - 1/2) / std([1, 0]), and minus that
    assert metrics["policy/loss"] == pytest.approx(loss.item(), abs=1e-4)
    loss.backward()
    for one, other in zip(steps.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)
