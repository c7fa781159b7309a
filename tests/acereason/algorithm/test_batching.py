import random

import pytest
import torch

from acereason.algorithm.batching import collate, pack, split_evenly
from acereason.common.types import Sequence
from tests.support.fakes import plain_logprobs, tiny_qwen


def some_sequences(count: int = 12) -> list[Sequence]:
    rng = random.Random(0)
    return [
        Sequence([rng.randrange(256) for _ in range(rng.randint(6, 40))], prompt_length=5, weight=rng.uniform(-1, 1))
        for _ in range(count)
    ]


def test_best_fit_decreasing():  # K1
    documents = [[1, 2, 3], [4, 5, 6, 7], [8]]
    bins = pack([len(d) for d in documents], budget=4)
    assert [[token for index in bin_ for token in documents[index]] for bin_ in bins] == [[4, 5, 6, 7], [1, 2, 3, 8]]


def test_the_fullest_bin_that_fits_is_taken():
    assert pack([6, 5, 4, 3], budget=10) == [[0, 2], [1, 3]]  # 4 goes beside 6, not beside 5


def test_every_item_is_packed_once_within_the_budget():
    rng = random.Random(1)
    lengths = [rng.randint(1, 90) for _ in range(300)]
    bins = pack(lengths, budget=100)
    assert sorted(index for bin_ in bins for index in bin_) == list(range(300))
    assert max(sum(lengths[index] for index in bin_) for bin_ in bins) <= 100
    assert sum(lengths) / (100 * len(bins)) > 0.95


def test_an_item_above_the_budget_stands_alone():
    assert pack([3, 12, 2], budget=10) == [[1], [0, 2]]


def test_nothing_to_pack():
    assert pack([], budget=10) == []


def test_ranks_get_as_many_micro_batches_as_the_busiest():
    parts = split_evenly(some_sequences(3), budget=1000, num_bins=4)
    assert [len(part) for part in parts] == [3, 0, 0, 0]


def test_collate_positions_and_targets():
    batch = collate([Sequence([10, 11, 12, 13], 2, 0.5, [-0.1, -0.2]), Sequence([20, 21], 1, -1.0)])
    assert batch.input_ids.tolist() == [[10, 11, 12, 13, 20, 21]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 0, 1]]
    assert batch.document_lengths == [4, 2]
    assert batch.cu_seqlens.tolist() == [0, 4, 6]
    assert batch.predictors.tolist() == [1, 2, 4]
    assert batch.targets.tolist() == [12, 13, 21]
    assert batch.weights.tolist() == [0.5, 0.5, -1.0]
    assert batch.sampler_logprobs[:2].tolist() == pytest.approx([-0.1, -0.2])
    assert batch.sampler_logprobs[2].isnan()


def test_tokens_have_weights_of_their_own_on_top_of_their_response_s():
    own = Sequence([10, 11, 12, 13], 2, 0.5, token_weights=[0.25, -0.5])
    assert collate([Sequence([20, 21], 1, -1.0), own, Sequence([30, 31], 1, 2.0)]).weights.tolist() == [-1, 0.75, 0, 2]


@pytest.mark.parametrize(
    ("weight", "own", "has"),
    [(0, None, False), (-0.5, None, True), (0, [0.0, 0.0], False), (0, [0.0, 0.1], True), (0.5, [-0.5, -0.5], False)],
)
def test_a_row_has_a_gradient_where_any_of_its_tokens_has_a_weight(weight, own, has):
    assert Sequence([1, 2, 3], 1, weight, token_weights=own).has_gradient is has


def test_the_first_and_last_tenth_of_each_response():
    batch = collate([Sequence([0] * (3 + length), 3, 1.0) for length in (20, 1, 11)])
    assert batch.first_tenth.nonzero()[:, 0].tolist() == [0, 1, 20, 21, 22]  # 2 of 20, 1 of 1, 2 of 11
    assert batch.last_tenth.nonzero()[:, 0].tolist() == [18, 19, 20, 30, 31]


def test_an_empty_micro_batch_goes_through_the_model_without_a_gradient():
    model = tiny_qwen()
    model.policy_loss(collate([]), 1.0, 64)[0].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_no_token_sees_another_sequence():
    """Packed log-probs equal those of each sequence alone, and do not move when its neighbours change."""
    model, sequences = tiny_qwen(), some_sequences()
    packed, _ = model.token_logprobs(collate(sequences), 0.7, 64)
    alone = [
        plain_logprobs(model, s.token_ids, 0.7).gather(-1, torch.tensor(s.token_ids[1:])[:, None])[4:, 0]
        for s in sequences
    ]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-5)

    others = [sequences[0], *(Sequence([9] * len(s.token_ids), 5, 1.0) for s in sequences[1:])]
    moved, _ = model.token_logprobs(collate(others), 0.7, 64)
    first = sequences[0].response_length
    assert moved[:first].tolist() == packed[:first].tolist()


def test_no_gradient_flows_between_sequences():
    model, sequences = tiny_qwen(), some_sequences(2)
    sequences[1].weight = 0.0
    batch = collate(sequences)
    embedded = model.model.embed_tokens(batch.input_ids).detach().requires_grad_()
    hidden = model.model(
        inputs_embeds=embedded,
        position_ids=batch.position_ids,
        use_cache=False,
        document_lengths=batch.document_lengths,
    ).last_hidden_state
    hidden[0, : len(sequences[0].token_ids)].sum().backward()
    assert embedded.grad[0, : len(sequences[0].token_ids)].any()
    assert not embedded.grad[0, len(sequences[0].token_ids) :].any()


@pytest.mark.parametrize("budget", [1, 64, 10_000])
def test_the_gradient_does_not_depend_on_micro_batches(budget):
    model, sequences = tiny_qwen(), some_sequences()

    def gradient(parts: list[list[Sequence]]) -> torch.Tensor:
        model.zero_grad()
        for part in parts:
            model.policy_loss(collate(part), 1.0, 64)[0].backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    parts = split_evenly(sequences, budget, num_bins=20)
    torch.testing.assert_close(gradient(parts), gradient([sequences]), atol=1e-5, rtol=1e-5)
