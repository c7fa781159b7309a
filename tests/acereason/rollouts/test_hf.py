import pytest
import torch

from acereason.common.types import Sampling
from acereason.models.exports import stream_weights
from acereason.rollouts.hf import HFEngine
from tests.support.fakes import STOP_IDS, TOKENIZER, plain_logprobs, problem, tiny_qwen


def engine_of(model, max_rows: int = 256) -> HFEngine:
    engine = HFEngine(max_rows)
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), longest=128)
    engine.update_weights(stream_weights(model), version=0)
    return engine


PROBLEMS = [problem("1+1", name="a"), problem("123456+1", name="b"), problem("7", name="c")]
SAMPLING = Sampling(temperature=0.8, max_response_length=12)


def responses(groups) -> dict[str, list[list[int]]]:
    return {group.problem.id: [rollout.response.token_ids for rollout in group.rollouts] for group in groups}


def test_sampler_logprobs_are_the_policys_at_the_temperature():
    model = tiny_qwen()
    for group in engine_of(model).generate(PROBLEMS, SAMPLING, 2, seed=0):
        for rollout in group.rollouts:
            ids = group.problem.prompt_ids + rollout.response.token_ids
            logprobs = plain_logprobs(model, ids, SAMPLING.temperature)[len(group.problem.prompt_ids) - 1 :]
            expected = logprobs.gather(-1, torch.tensor(rollout.response.token_ids)[:, None])[:, 0]
            assert rollout.response.sampler_logprobs == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_rollout_depends_on_its_seed_not_on_its_neighbours():
    engine = engine_of(tiny_qwen())
    together = responses(engine.generate(PROBLEMS, SAMPLING, 4, seed=5))
    alone = responses(group for p in PROBLEMS for group in engine.generate([p], SAMPLING, 4, seed=5))
    one_by_one = responses(engine_of(tiny_qwen(), max_rows=1).generate(PROBLEMS, SAMPLING, 4, seed=5))
    assert together == alone == one_by_one
    assert together != responses(engine.generate(PROBLEMS, SAMPLING, 4, seed=6))
    assert len({tuple(ids) for ids in together["a"]}) > 1


def test_bfloat16_weights_give_nearly_the_same_logprobs():
    model, engine = tiny_qwen(), HFEngine(dtype="bfloat16")
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), longest=128)
    engine.update_weights(stream_weights(model, engine.weights_dtype), version=0)
    assert {parameter.dtype for parameter in engine.model.parameters()} == {torch.bfloat16}
    exact = HFEngine().memory(model.config, 1000, 10, 8)
    half = engine.memory(model.config, 1000, 10, 8)
    assert (exact.weights, exact.cache) == (2 * half.weights, 2 * half.cache)
    gaps = []
    for group in engine.generate(PROBLEMS, SAMPLING, 8, seed=0):
        for rollout in group.rollouts:
            ids = group.problem.prompt_ids + rollout.response.token_ids
            logprobs = plain_logprobs(model, ids, SAMPLING.temperature)[len(group.problem.prompt_ids) - 1 :]
            expected = logprobs.gather(-1, torch.tensor(rollout.response.token_ids)[:, None])[:, 0]
            gaps.append((expected - torch.tensor(rollout.response.sampler_logprobs)).abs().mean().item())
    assert 0 < sum(gaps) / len(gaps) < 0.03


def test_temperature_zero_is_greedy():
    model = tiny_qwen()
    (group,) = engine_of(model).generate(PROBLEMS[:1], Sampling(0, 5), 1, seed=0)
    ids = list(group.problem.prompt_ids)
    for token in group.rollouts[0].response.token_ids:
        assert token == plain_logprobs(model, [*ids, 0])[-1].argmax().item()
        ids.append(token)


def test_stop_tokens_end_a_response_and_stay_in_it():
    model = tiny_qwen()
    sampling = Sampling(1.0, 40)
    groups = list(engine_of(model).generate(PROBLEMS, sampling, 32, seed=0))
    rollouts = [rollout.response for group in groups for rollout in group.rollouts]
    assert {r.finish_reason for r in rollouts} == {"stop", "length"}
    for r in rollouts:
        assert len(r.token_ids) == len(r.sampler_logprobs) <= 40
        assert all(token not in STOP_IDS for token in r.token_ids[:-1])
        assert (r.token_ids[-1] in STOP_IDS) == (r.finish_reason == "stop") == (not r.truncated)
        assert r.text == TOKENIZER.decode(r.token_ids, skip_special_tokens=True)


class TestWeightSync:
    def test_new_weights_are_what_generates(self):
        engine, other = engine_of(tiny_qwen()), tiny_qwen(initializer_range=0.3)
        engine.update_weights(stream_weights(other), version=7)
        assert engine.policy_version == 7
        greedy = Sampling(0, 8)
        assert responses(engine.generate(PROBLEMS, greedy, 1, 0)) == responses(
            engine_of(other).generate(PROBLEMS, greedy, 1, 0)
        )

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda named: named[:-1], "1 parameters never came, first model.norm.weight"),
            (lambda named: [*named, ("model.extra", torch.zeros(1))], "no parameter model.extra"),
            (lambda named: [*named, named[0]], "or got it twice"),
            (
                lambda named: [(named[0][0], named[0][1] * float("nan")), *named[1:]],
                "embed_tokens.weight has 16,640 of",
            ),
            (lambda named: [(named[0][0], torch.zeros(3, 3)), *named[1:]], r"is \[3, 3\], the engine's is \[260, 64\]"),
        ],
    )
    def test_a_bad_stream_raises_and_leaves_no_version(self, spoil, message):
        model = tiny_qwen()
        engine = engine_of(model)
        with pytest.raises(RuntimeError, match=message):
            engine.update_weights(iter(spoil(list(stream_weights(model)))), version=1)
        assert engine.policy_version is None
