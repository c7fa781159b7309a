import pytest
import torch

from acereason.common.errors import UserError
from acereason.models.exports import stream_weights
from acereason.sampling.identity import WeightsDigest, accept, problem_digest
from tests.support.fakes import problem, tiny_qwen


def digest_of(weights) -> str:
    seen = WeightsDigest()
    for _ in seen.passing(weights):
        pass
    return seen.value()


def test_weights_are_told_apart_by_any_value_and_by_their_dtype():
    model = tiny_qwen()
    first = digest_of(stream_weights(model))
    assert first == digest_of(stream_weights(tiny_qwen()))
    assert first != digest_of(stream_weights(model, torch.bfloat16))
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[3, 5] += 1e-6
    assert first != digest_of(stream_weights(model))


def test_the_weights_pass_unchanged():
    weights = [("a", torch.arange(4.0)), ("b", torch.zeros(()))]
    assert all(ours is theirs for (_, ours), (_, theirs) in zip(WeightsDigest().passing(weights), weights, strict=True))


def test_a_problem_is_told_by_its_prompt_and_its_answer():
    digests = {problem_digest(problem(*words)) for words in [("1+1", "2"), ("1+1", "3"), ("1+2", "2")]}
    assert len(digests) == 3
    assert problem_digest(problem(name="p")) == problem_digest(problem(name="q"))


KEPT = {"model": {"weights": "aa"}, "seed": 0, "benchmarks": {"aime24": {"temperature": 0.6}}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"weights": "bb"}}, r"another model\.weights: aa, now bb"),
        ({"seed": 1}, "another seed: 0, now 1"),
        ({"benchmarks": {"aime24": {"temperature": 1.0}}}, r"another benchmarks\.aime24\.temperature: 0\.6, now 1\.0"),
    ],
)
def test_another_setting_is_named(tmp_path, changes, message):
    path = tmp_path / "fingerprint.json"
    accept(path, KEPT, is_writer=True)
    accept(path, KEPT, is_writer=True)
    with pytest.raises(UserError, match=message):
        accept(path, KEPT | changes, is_writer=True)


def test_another_benchmark_may_join(tmp_path):
    path = tmp_path / "fingerprint.json"
    accept(path, KEPT, is_writer=True)
    accept(path, KEPT | {"benchmarks": {"math500": {"temperature": 1.0}}}, is_writer=True)
    with pytest.raises(UserError, match=r"benchmarks\.aime24"):
        accept(path, KEPT | {"benchmarks": {"aime24": {"temperature": 1.0}}}, is_writer=True)
