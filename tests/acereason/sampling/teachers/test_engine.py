import pytest

from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.data.prompts import Template
from acereason.models.exports import export
from acereason.rollouts.hf import HFEngine
from acereason.sampling.teachers.engine import EngineTeacher, Local
from tests.support.fakes import TOKENIZER, tiny_qwen


def test_a_teacher_whose_responses_cannot_end_is_refused(tmp_path):
    export(tiny_qwen(), TOKENIZER, tmp_path, is_writer=True)
    with pytest.raises(UserError, match=r"^template\.end: '<\|im_ends\|>' is no token of the tokenizer"):
        EngineTeacher(Local(str(tmp_path), HFEngine()), Template(end="<|im_ends|>"), Sampling(), 0)


def test_a_tokenizer_larger_than_its_embeddings_is_refused(tmp_path):
    export(tiny_qwen(vocab_size=200), TOKENIZER, tmp_path, is_writer=True)
    with pytest.raises(UserError, match=r"^engine\.pretrained: .* has 260 tokens, the model embeddings for 200"):
        EngineTeacher(Local(str(tmp_path), HFEngine()), Template(), Sampling(), 0)
