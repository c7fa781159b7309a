"""vLLM's own server gives the log-probs that the same model gives beside the policy."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import httpx
import pytest
import torch

from acereason.common.types import Sequence
from acereason.models.backbone import load_config
from acereason.models.exports import export
from acereason.models.qwen import build_model
from acereason.processes.ports import lasting
from acereason.sampling.teachers.frozen import FrozenTeacher
from acereason.sampling.teachers.logprobs import LogprobServer, ServedTeacher
from tests.support.fakes import BACKBONE, TOKENIZER

pytestmark = pytest.mark.vllm
HANG = 300
"""Seconds after which a server that does not answer hangs."""


@pytest.fixture
def folder(tmp_path):
    model = build_model(load_config(None, BACKBONE), None, BACKBONE, seed=7)
    export(model, TOKENIZER, tmp_path / "teacher", is_writer=True)
    return tmp_path / "teacher"


@pytest.fixture
def url(folder, tmp_path):
    port = lasting()
    settings = ["--dtype=float32", "--max-model-len=128", "--enforce-eager", "--served-model-name=teacher"]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={folder}", f"--port={port}"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*command, *settings], stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + HANG
        while not _answers(port):
            assert server.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(HANG)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=HANG).status_code == 200
    except httpx.ConnectError:
        return False


def test_vllm_gives_the_log_probs_of_the_same_model_beside_the_policy(folder, url):
    config = load_config(None, BACKBONE)
    policy = SimpleNamespace(
        backbone=BACKBONE, config=config, tokenizer=TOKENIZER, micro_batch_tokens=64, logits_mib=64
    )
    local = FrozenTeacher(str(folder), policy)
    local.build(torch.device("cpu"), mesh=None)
    served = ServedTeacher(LogprobServer(url, "teacher"), longest=128)
    served.check(TOKENIZER)
    rows = [Sequence(list(range(20, 20 + length)), 3, 0.0) for length in (4, 17, 90)]
    for ours, theirs in zip(local.logprobs(rows, 1.0), served.logprobs(rows, 1.0), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-3)
    assert "128" in served.logprobs([Sequence([20] * 200, 3, 0.0)], 1.0)[0]  # beyond its context, in its own words
    served.close()
