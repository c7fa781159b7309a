import pytest

from acereason.modules.sft import SFTModule
from tests.support.fakes import BACKBONE, fake_trainer


@pytest.mark.parametrize(
    ("lengths", "budget", "share"),
    [
        ([6, 4, 7], 10, 17 / 20),  # 6 + 4, 7
        ([10], 10, 1.0),
        ([6, 6, 6], 10, 18 / 30),
        ([25, 5], 10, 30 / 20),  # a row beyond the budget is a micro batch of its own: more than it should hold
    ],
)
def test_packing_is_the_share_of_micro_batches_that_is_real(lengths, budget, share):
    module = SFTModule(backbone=BACKBONE, micro_batch_tokens=budget)
    module._trainer = fake_trainer(world_size=1)
    assert module.packing([{"token_ids": [0] * length} for length in lengths]) == pytest.approx(share)
