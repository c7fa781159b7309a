"""What FSDP2 rounds to the compute dtype, on a mesh of one CPU, and what it leaves alone."""

import pytest
import torch

from acereason.algorithm.batching import collate
from acereason.common.types import Sequence
from acereason.models.qwen import Qwen, shard
from tests.support.fakes import tiny_qwen
from tests.support.forked_ranks import on_ranks

SEQUENCES = [Sequence(list(b"12+34=46"), 3, 0.12345679, [-7.7777] * 5), Sequence(list(b"1+1=2"), 4, -1 / 3, [-8.7654])]
CAP = 4.0
"""Of the importance weights: below two of the six."""


def learn(model: Qwen) -> dict[str, torch.Tensor]:
    """The loss, its gradient in one row, and the log-probs."""
    loss, logprobs, _ = model.policy_loss(collate(SEQUENCES), 1.0, 64, importance_cap=CAP)
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    flat = [getattr(grad, "full_tensor", lambda grad=grad: grad)().flatten() for grad in gradients]
    return {"loss": loss.detach(), "gradient": torch.cat(flat), "logprobs": logprobs}


def sharded(dtype: str, prepare=lambda model: []) -> dict[str, torch.Tensor]:
    """What a rank of its own learns in that dtype: a group of ranks in this process would outlive the test by its
    threads. `prepare` is given the model, and what it returns is the answer's `seen`."""

    def work(mesh):
        model = tiny_qwen()
        seen = prepare(model)
        learned = learn(shard(model, mesh, dtype))
        return {name: part.tolist() for name, part in learned.items()} | {"seen": seen}

    (answer,) = on_ranks(1, work)
    assert isinstance(answer, dict), answer
    return {name: part if name == "seen" else torch.tensor(part) for name, part in answer.items()}


def test_weights_and_log_probs_of_a_micro_batch_are_not_rounded():
    """They are float32 by contract: advantages of a group sum to zero, and ratios to the sampler are near one."""
    learned, whole = sharded("bfloat16"), collate(SEQUENCES)
    logprobs, sampler = learned["logprobs"].double(), whole.sampler_logprobs.double()
    expected = -(whole.weights * (logprobs - sampler).exp().clamp(max=CAP) * logprobs).sum()
    assert learned["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_layers_compute_in_the_compute_dtype():
    def watch(model: Qwen) -> list[str]:
        seen: list[str] = []

        def look(layer, args, kwargs, out):
            seen.extend(str(part.dtype) for part in (args[0], *kwargs["position_embeddings"], out))

        for layer in model.model.layers:
            layer.register_forward_hook(look, with_kwargs=True)
        return seen

    assert sharded("bfloat16", watch)["seen"] == ["torch.bfloat16"] * 8


def test_a_bfloat16_step_is_near_the_float32_one():
    exact, rounded = learn(tiny_qwen()), sharded("bfloat16")
    assert abs(rounded["loss"] - exact["loss"]) < 0.02 * abs(exact["loss"])
    assert (rounded["gradient"] - exact["gradient"]).norm() < 0.03 * exact["gradient"].norm()


def test_float32_is_not_rounded_at_all():
    """Bit for bit but for the BLAS of some processors, which rounds by where a matrix lies; bfloat16 is off by 1e-3."""
    learned = sharded("float32")
    for name, part in learn(tiny_qwen()).items():
        torch.testing.assert_close(learned[name], part, rtol=1e-5, atol=1e-6)
