"""What FSDP2 rounds to the compute dtype, on a mesh of one CPU, and what it leaves alone."""

import torch
from fakes import tiny_qwen
from forking import on_ranks

from acereason.batching import MicroBatch, collate
from acereason.models.qwen import Qwen, shard
from acereason.types import Sequence

SEQUENCES = [Sequence(list(b"12+34=46"), 3, 0.12345679, [-7.7777] * 5), Sequence(list(b"1+1=2"), 4, -1 / 3, [-1e-3])]


def learn(model: Qwen, told: list[MicroBatch]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and its gradient in one row; `told` takes what the objective was asked for."""

    def objective(part: MicroBatch, logprobs: torch.Tensor) -> torch.Tensor:
        told.append(part)
        return -(part.weights * logprobs).sum()

    loss, _, _ = model.token_loss(collate(SEQUENCES), objective, 1.0, 64)
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    return loss, torch.cat([getattr(grad, "full_tensor", lambda grad=grad: grad)().flatten() for grad in gradients])


def sharded(dtype: str, prepare=lambda model: []) -> dict[str, list[torch.Tensor]]:
    """What a rank of its own learns in that dtype: a group of ranks in this process would outlive the test by its
    threads. `prepare` is given the model, and what it returns is among the answers."""

    def work(mesh):
        told: list[MicroBatch] = []
        model = tiny_qwen()
        seen = prepare(model)
        learned = learn(shard(model, mesh, dtype), told)
        weights, sampler = (
            torch.cat([getattr(part, name) for part in told]) for name in ("weights", "sampler_logprobs")
        )
        named = {"learned": [part.detach() for part in learned], "told": [weights, sampler]}
        return {name: [part.tolist() for part in parts] for name, parts in named.items()} | {"seen": seen}

    (answer,) = on_ranks(1, work)
    assert isinstance(answer, dict), answer
    return answer


def test_weights_and_log_probs_of_a_micro_batch_are_not_rounded():
    """They are float32 by contract: advantages of a group sum to zero, and ratios to the sampler are near one."""
    whole = collate(SEQUENCES)
    assert sharded("bfloat16")["told"] == [whole.weights.tolist(), whole.sampler_logprobs.tolist()]


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
    loss, gradient = learn(tiny_qwen(), [])
    rounded_loss, rounded = map(torch.tensor, sharded("bfloat16")["learned"])
    assert abs(rounded_loss - loss) < 0.02 * abs(loss)
    assert (rounded - gradient).norm() < 0.03 * gradient.norm()


def test_float32_is_not_rounded_at_all():
    assert sharded("float32")["learned"] == [part.detach().tolist() for part in learn(tiny_qwen(), [])]
