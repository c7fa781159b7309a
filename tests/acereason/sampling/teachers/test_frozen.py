from types import SimpleNamespace

import pytest
import torch

from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import export
from acereason.models.qwen import build_model
from acereason.sampling.teachers.frozen import FrozenTeacher
from tests.support.fakes import BACKBONE, CONFIG, TOKENIZER, plain_logprobs


@pytest.fixture(scope="module")
def model():
    return build_model(load_config(None, BACKBONE), None, BACKBONE, seed=7)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    export(model, TOKENIZER, tmp_path_factory.mktemp("teacher") / "export", is_writer=True)
    return tmp_path_factory.getbasetemp() / "teacher0" / "export"


def policy(micro_batch_tokens: int = 64, **config) -> SimpleNamespace:
    backbone = Backbone(config=CONFIG | config, tokenizer="bytes")
    return SimpleNamespace(
        backbone=backbone,
        config=load_config(None, backbone),
        tokenizer=byte_tokenizer(),
        micro_batch_tokens=micro_batch_tokens,
        logits_mib=64,
    )


@pytest.mark.parametrize("micro_batch_tokens", [8, 30, 1000])
def test_log_probs_of_each_response_in_the_rows_order(model, folder, micro_batch_tokens):
    """At the policy's temperature, whatever the micro batches, though the policy has more words than the teacher."""
    teacher = FrozenTeacher(str(folder), policy(micro_batch_tokens, vocab_size=320))
    teacher.check(longest=128)
    teacher.build(torch.device("cpu"), mesh=None)
    rows = [Sequence(list(range(20, 20 + length)), 3, 0.0) for length in (5, 21, 4, 9)]
    rows.insert(2, Sequence([1, 2, 3, 300], 3, 0.0))
    told = teacher.logprobs(rows, 0.7)
    assert told.pop(2) == "a token beyond the teacher's vocabulary"
    for row, ours in zip((row for row in rows if 300 not in row.token_ids), told, strict=True):
        targets = torch.tensor(row.token_ids[3:])[:, None]
        plain = plain_logprobs(model, row.token_ids, 0.7)[2:].gather(-1, targets)[:, 0]
        assert ours == pytest.approx(plain.tolist(), abs=1e-5)
    assert teacher.logprobs([], 0.7) == []


def test_a_teacher_with_other_tokens_or_too_small_a_context_is_refused(folder):
    own = policy()
    teacher = FrozenTeacher(str(folder), own)
    with pytest.raises(UserError, match=r"^model.teacher.pretrained: .* has a context of 128 tokens, .* up to 129"):
        teacher.check(longest=129)
    own.tokenizer.add_tokens(["<new>", "<newer>"])
    with pytest.raises(UserError, match=r"^model.teacher.pretrained: .* another vocabulary .*: '<new.*' and 1 others"):
        teacher.check(longest=64)


def test_files_that_are_missing_are_a_mistake_of_the_teacher_s_key(folder, tmp_path):
    with pytest.raises(UserError, match=r"^model.teacher.pretrained: '.*nowhere' is neither a folder"):
        FrozenTeacher(str(tmp_path / "nowhere"), policy())
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(UserError, match=r"^model.teacher.pretrained: the model in .* can't be loaded"):
        FrozenTeacher(str(tmp_path), policy()).build(torch.device("cpu"), mesh=None)
