"""A layer that keeps little beside transformers' own."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from acereason.algorithm.batching import MicroBatch, collate
from acereason.common.types import Sequence
from acereason.models.layer import Gate, Norm, Rotate
from acereason.models.qwen import Qwen
from tests.support.fakes import CONFIG, tiny_qwen

TEXTS = [b"12+34=46", b"a longer text, so that a document has many tokens", b"7"]


def batch() -> MicroBatch:
    return collate([Sequence(list(text), 1, weight=0.5 + index) for index, text in enumerate(TEXTS)])


def transformers_own(model: Qwen) -> Qwen:
    for layer in model.model.layers:
        del layer.forward  # that of the class is left
    return model


@pytest.mark.parametrize("shape", [{}, {"num_attention_heads": 4, "num_key_value_heads": 2}])
def test_values_and_gradients_are_transformers_to_the_last_bit(shape):
    ours, theirs = tiny_qwen(**shape), transformers_own(tiny_qwen(**shape))
    results = [model.policy_loss(batch(), 0.8, 64) for model in (ours, theirs)]
    assert all(torch.equal(mine, wanted) for mine, wanted in zip(*results, strict=True))
    for loss, *_ in results:
        loss.backward()
    for (name, mine), wanted in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine.grad, wanted.grad), name


def gradient(model: Qwen) -> torch.Tensor:
    model.policy_loss(batch(), 1.0, 64)[0].backward()
    return torch.cat([parameter.grad.float().flatten() for parameter in model.parameters()])


def test_gradients_in_bfloat16_are_as_near_to_those_of_float32_as_transformers_are():
    exact = gradient(tiny_qwen())
    ours, theirs = gradient(tiny_qwen().bfloat16()), gradient(transformers_own(tiny_qwen()).bfloat16())
    assert 0 < (ours - exact).norm() < 1.1 * (theirs - exact).norm() < 0.2 * exact.norm()


def kept(model: Qwen) -> float:
    """Floats that a layer keeps of a token, weights aside."""
    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters and tensor.dtype == torch.float32:
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)  # the tensor: its address is not given anew
        return tensor

    layer, count = model.model.layers[0], sum(map(len, TEXTS))
    hidden = torch.randn(1, count, CONFIG["hidden_size"], requires_grad=True)
    rotation = tuple(torch.randn(1, count, 32) for _ in range(2))
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(hidden, position_embeddings=rotation, attention_mask=None, document_lengths=[*map(len, TEXTS)])
    return sum(size for size, _ in storages.values()) / 4 / count


def test_a_layer_keeps_what_products_need():
    model, hidden, inner, heads = tiny_qwen(), 64, 32, 2 * 32
    # two inputs of norms and what they give; query, key, value, and their result; gate, up, and their product
    products = 4 * hidden + heads + 2 * 32 + heads + 3 * inner
    numbers = 2 + 2 + 2 * 32  # scales of the norms, a sum for each head, cosines and sines
    assert kept(model) == products + numbers
    # besides: hidden states before the weight of each norm, and silu(gate)
    assert kept(transformers_own(model)) >= products + numbers + 2 * hidden + inner


def test_norm_rotation_and_gate_end_no_graph_of_a_compiled_layer():
    def parts(hidden, weight, cosines, sines):
        hidden, normed = Norm.apply(hidden, weight, 1e-6)
        heads = Rotate.apply(normed.unflatten(-1, (-1, 8)), cosines, sines)
        return hidden + Gate.apply(heads.flatten(-2), normed + 1)

    inputs = [torch.randn(size, requires_grad=True) for size in ((1, 5, 16), (16,))]
    rotation = [torch.randn(1, 5, 4).repeat(1, 1, 2) for _ in range(2)]
    compiled = torch.compile(parts, fullgraph=True, dynamic=True, backend="aot_eager")
    results = [function(*inputs, *rotation) for function in (compiled, parts)]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(torch.autograd.grad(result.sum(), inputs) for result in results))
    torch._dynamo.reset()
