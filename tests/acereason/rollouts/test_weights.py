import pytest
import torch

from acereason.models.exports import stream_weights
from acereason.rollouts.weights import checked, copy_finite, in_buckets, shapes_of
from tests.support.fakes import tiny_qwen

SHAPES = {"a": [2], "b": [3, 1]}
GOOD = [("a", torch.zeros(2)), ("b", torch.zeros(3, 1))]


def test_whole_weights_pass_unchanged():
    assert list(checked(GOOD, SHAPES, torch.float32)) == GOOD


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (GOOD[:1], "1 parameters never came, first b"),
        ([*GOOD, ("c", torch.zeros(1))], "the engine has no parameter c, or got it twice"),
        ([*GOOD, GOOD[0]], "the engine has no parameter a, or got it twice"),
        ([GOOD[0], ("b", torch.zeros(1, 3))], r"b is \[1, 3\], the engine's is \[3, 1\]"),
        ([("a", torch.tensor([1.0, float("nan")]))], "a has 1 of 2 values that are not finite"),
        ([("a", torch.tensor([-float("inf"), float("nan")]))], "a has 2 of 2 values that are not finite"),
    ],
)
def test_a_mistake_names_the_parameter(weights, message):
    with pytest.raises(RuntimeError, match=message):
        list(checked(weights, SHAPES, torch.float32))


def test_it_raises_before_the_next_is_asked_for():
    def weights():
        yield "a", torch.zeros(7)
        raise AssertionError("asked for more")

    with pytest.raises(RuntimeError, match="a is"):
        list(checked(weights(), SHAPES, torch.float32))


@pytest.mark.parametrize("tied", [True, False])
def test_shapes_are_those_that_the_trainer_streams(tied):
    model = tiny_qwen(tie_word_embeddings=tied)
    assert shapes_of(model.config) == {name: [*tensor.shape] for name, tensor in stream_weights(model)}
    assert ("lm_head.weight" in shapes_of(model.config)) is not tied


def test_weights_are_streamed_as_the_engine_holds_them():
    model = tiny_qwen()
    for (_, half), (_, full) in zip(stream_weights(model, torch.bfloat16), stream_weights(model), strict=True):
        assert half.dtype == torch.bfloat16
        assert torch.equal(half, full.bfloat16())


def test_without_copies_the_models_own_tensors_come():
    model = tiny_qwen()
    own = dict(model.named_parameters())
    for name, tensor in stream_weights(model, torch.bfloat16, copies=False):
        assert (tensor.dtype, tensor.data_ptr()) == (torch.float32, own[name].data_ptr())


def test_what_the_engine_converts_is_checked_there():
    weights = [("a", torch.tensor([1.0, float("nan")])), GOOD[1]]
    assert list(checked(weights, SHAPES, torch.bfloat16)) == weights
    with pytest.raises(RuntimeError, match="weight sync: a has 1 of 2 values that are not finite"):
        copy_finite("a", torch.zeros(2, dtype=torch.bfloat16), weights[0][1])


@pytest.mark.parametrize("shape", [(3_000_000,), (5, 700_000), (1_500_000, 2)])
@pytest.mark.parametrize("place", [0, -1])
def test_a_copy_is_whole_and_its_last_value_is_checked_like_its_first(shape, place):
    source, target = torch.randn(shape), torch.empty(shape, dtype=torch.bfloat16)
    copy_finite("w", target, source)
    assert torch.equal(target, source.bfloat16())
    source.view(-1)[place] = -float("inf")
    with pytest.raises(RuntimeError, match=f"w has 1 of {source.numel():,} values"):
        copy_finite("w", target, source)


def test_a_sum_beyond_the_range_of_finite_values_is_no_mistake():
    large = torch.full((100,), 3e38)
    assert not large.sum().isfinite()
    assert list(checked([("a", large)], {"a": [100]}, torch.float32)) == [("a", large)]
    copy_finite("a", torch.empty(100, dtype=torch.bfloat16), large)


def test_buckets_hold_at_most_their_bytes():
    weights = [(str(i), torch.zeros(size)) for i, size in enumerate([1, 2, 1, 9, 1])]  # 4 bytes each
    assert [[name for name, _ in bucket] for bucket in in_buckets(weights, 16)] == [["0", "1", "2"], ["3"], ["4"]]
    assert list(in_buckets([], 16)) == []
