"""vLLM for real, on a CPU: in this process and in one of its own."""

import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from acereason.common.errors import UserError
from acereason.common.types import Group, Response, Sampling
from acereason.models.exports import export, stream_weights
from acereason.rollouts.draws import _cut
from acereason.rollouts.vllm import VLLMEngine
from acereason.rollouts.vllm.requests import CoreSettings
from tests.support.fakes import STOP_IDS, TOKENIZER, plain_logprobs, problem, tiny_qwen
from tests.support.independent_vllm import fresh_vllm

pytestmark = pytest.mark.vllm

PROBLEMS = [problem("1+1", name="a"), problem("123456+1", name="b"), problem("7", name="c")]
SAMPLING = Sampling(temperature=0.8, max_response_length=12)
LONGEST = 96


def started(model, **settings) -> VLLMEngine:
    engine = VLLMEngine(cache_gib=0.25, **settings)
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), LONGEST)
    return engine


def pushed(engine: VLLMEngine, model, version: int = 0) -> VLLMEngine:
    engine.update_weights(stream_weights(model), version)
    return engine


@pytest.fixture(scope="module", params=["colocated", "separate"])
def engine(request):
    engine = started(tiny_qwen(), placement=request.param)
    yield engine
    engine.close()


@pytest.fixture
def model(engine):
    """The policy that the engine holds."""
    policy = tiny_qwen()
    pushed(engine, policy)
    return policy


def responses(groups) -> dict[str, list[Response]]:
    return {group.problem.id: [rollout.response for rollout in group.rollouts] for group in groups}


def expected_logprobs(model, group: Group, response: Response, temperature: float) -> list[float]:
    """By transformers' forward pass, one sequence at a time."""
    ids = group.problem.prompt_ids + response.token_ids
    logprobs = plain_logprobs(model, ids, temperature)[len(group.problem.prompt_ids) - 1 :]
    return logprobs.gather(-1, torch.tensor(response.token_ids)[:, None])[:, 0].tolist()


def test_its_end_leaves_the_ranks_process_group(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        engine = started(tiny_qwen())
        assert engine.core.settings.launched
        engine.close()
        assert torch.distributed.is_initialized()
        value = torch.tensor([3.0])
        torch.distributed.all_reduce(value)
        assert value.item() == 3.0
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("temperature", [0.6, 0.85, 1.0])
def test_sampler_logprobs_are_the_policys_at_the_temperature(engine, model, temperature):
    sampling = Sampling(temperature, max_response_length=24)
    gaps = [
        abs(mine - plain)
        for group in engine.generate(PROBLEMS, sampling, 4, seed=0)
        for rollout in group.rollouts
        for mine, plain in zip(
            rollout.response.sampler_logprobs,
            expected_logprobs(model, group, rollout.response, temperature),
            strict=True,
        )
    ]
    assert len(gaps) > 100
    assert sum(gaps) / len(gaps) < 1e-5
    assert max(gaps) < 1e-4


def test_qwen3_has_the_policys_logprobs():
    model = tiny_qwen(model_type="qwen3", head_dim=32)
    engine = pushed(started(model, placement="separate"), model)
    try:
        for group in engine.generate(PROBLEMS, SAMPLING, 4, seed=0):
            for rollout in group.rollouts:
                plain = expected_logprobs(model, group, rollout.response, SAMPLING.temperature)
                assert rollout.response.sampler_logprobs == pytest.approx(plain, abs=1e-4)
    finally:
        engine.close()


def test_a_rollout_depends_on_its_seed_not_on_its_neighbours(engine, model):
    together = responses(engine.generate(PROBLEMS, SAMPLING, 4, seed=5))
    alone = responses(group for p in PROBLEMS for group in engine.generate([p], SAMPLING, 4, seed=5))
    assert {name: [r.token_ids for r in rs] for name, rs in together.items()} == {
        name: [r.token_ids for r in rs] for name, rs in alone.items()
    }
    assert together != responses(engine.generate(PROBLEMS, SAMPLING, 4, seed=6))
    assert len({tuple(response.token_ids) for response in together["a"]}) > 1


def test_temperature_zero_is_greedy_and_without_doubt(engine, model):
    (group,) = engine.generate(PROBLEMS[:1], Sampling(0, 5), 1, seed=0)
    ids = list(group.problem.prompt_ids)
    for token in group.rollouts[0].response.token_ids:
        assert token == plain_logprobs(model, [*ids, 0])[-1].argmax().item()
        ids.append(token)
    assert set(group.rollouts[0].response.sampler_logprobs) == {0.0}


def test_stop_tokens_end_a_response_and_stay_in_it(engine, model):
    rollouts = [r for rs in responses(engine.generate(PROBLEMS, Sampling(1.0, 40), 32, seed=0)).values() for r in rs]
    assert {r.finish_reason for r in rollouts} == {"stop", "length"}
    for r in rollouts:
        assert len(r.token_ids) == len(r.sampler_logprobs) <= 40
        assert all(token not in STOP_IDS for token in r.token_ids[:-1])
        assert (r.token_ids[-1] in STOP_IDS) == (r.finish_reason == "stop") == (not r.truncated)
        assert len(r.token_ids) == 40 or not r.truncated
        assert r.text == TOKENIZER.decode(r.token_ids, skip_special_tokens=True)


def test_top_p_means_what_it_means_to_the_embedded_engine(engine, model):
    """Every token drawn is in the nucleus, and its log-prob is the embedded engine's, renormalized over the nucleus."""
    sampling = Sampling(temperature=0.7, max_response_length=6, top_p=0.5)
    for group in engine.generate(PROBLEMS, sampling, 8, seed=0):
        for response in (rollout.response for rollout in group.rollouts):
            ids = group.problem.prompt_ids + response.token_ids
            logits = plain_logprobs(model, ids)[len(group.problem.prompt_ids) - 1 :].detach().double()
            wanted = torch.full((len(logits), 1), sampling.top_p, dtype=torch.float64)
            kept = _cut(torch.softmax(logits / sampling.temperature, -1), wanted)
            nucleus = (kept / kept.sum(-1, keepdim=True)).log()
            logprobs = nucleus.gather(-1, torch.tensor(response.token_ids)[:, None])[:, 0]
            assert response.sampler_logprobs == pytest.approx(logprobs.tolist(), abs=1e-4)


def test_draws_follow_the_distribution(engine, model):
    """4,000 first tokens: the frequency of each of the likeliest is within four standard errors of its probability."""
    sampling, n = Sampling(temperature=0.6, max_response_length=1), 4000
    ((drawn),) = responses(engine.generate(PROBLEMS[:1], sampling, n, seed=1)).values()
    counts = Counter(response.token_ids[0] for response in drawn)
    probs = plain_logprobs(model, [*PROBLEMS[0].prompt_ids, 0], 0.6)[-1].exp()
    top = probs.topk(20)
    for p, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        assert counts[token] / n == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)


@pytest.mark.parametrize("asked_for", [1, 3])
def test_whoever_stops_asking_leaves_an_engine_that_goes_on(engine, model, asked_for):
    before = responses(engine.generate(PROBLEMS, SAMPLING, 2, seed=0))
    groups = engine.generate(PROBLEMS, SAMPLING, 2, seed=1)
    for _ in range(asked_for):
        next(groups)
    groups.close()
    assert responses(engine.generate(PROBLEMS, SAMPLING, 2, seed=0)) == before


def test_a_group_comes_as_soon_as_it_is_complete():
    """With room for one group at a time, the first comes while the second has not begun."""
    model = tiny_qwen()
    engine = pushed(started(model, max_num_seqs=2), model)
    groups = engine.generate(PROBLEMS, SAMPLING, 2, seed=0)
    first = next(groups)
    waiting = engine.core.engine.get_num_unfinished_requests()
    groups.close()  # whoever stops asking leaves nothing behind
    left = engine.core.engine.get_num_unfinished_requests()
    engine.close()
    assert (first.problem.id, waiting, left) == ("a", 4, 0)


class TestWeightSync:
    @pytest.mark.parametrize("placement", ["colocated", "separate"])
    @pytest.mark.parametrize("tied", [True, False])
    def test_it_equals_a_fresh_vllm_loaded_from_an_export(self, tmp_path, monkeypatch, tied, placement):
        """Tokens to the letter and log-probs, after two syncs through small buckets, and into another process through
        buffers that are smaller than the embedding. The fresh one shares no code of ours: vLLM loads the folder itself.
        """
        monkeypatch.setattr("acereason.rollouts.vllm.child.buffer_bytes", lambda *arguments: 20_000)
        engine = pushed(
            started(tiny_qwen(tie_word_embeddings=tied), placement=placement), tiny_qwen(tie_word_embeddings=tied)
        )
        policy = tiny_qwen(tie_word_embeddings=tied, initializer_range=0.3)
        engine.bucket_mib = 0.02
        list(engine.generate(PROBLEMS, SAMPLING, 2, seed=0))  # fills the prefix cache with the old policy's
        pushed(engine, policy, version=7)
        greedy = responses(engine.generate(PROBLEMS, Sampling(0, 16), 1, seed=0))
        sampled = responses(engine.generate(PROBLEMS, Sampling(0.85, 16), 2, seed=3))
        engine.close()
        export(policy, TOKENIZER, tmp_path / "export", is_writer=True)
        mine = [response for group in (greedy, sampled) for name in "abc" for response in group[name]]
        theirs = fresh_vllm(tmp_path / "export", PROBLEMS, LONGEST)
        assert engine.policy_version is None
        assert [r.token_ids for r in mine] == [tokens for tokens, _ in theirs]
        for response, (_, logprobs) in zip(mine[3:], theirs[3:], strict=True):
            assert response.sampler_logprobs == pytest.approx(logprobs, abs=1e-6)

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda named: named[:-1], "1 parameters never came, first model.norm.weight"),
            (lambda named: [*named, ("model.extra", torch.zeros(1))], "no parameter model.extra"),
            (lambda named: [(named[0][0], torch.zeros(3, 3)), *named[1:]], r"embed_tokens.weight is \[3, 3\]"),
            (lambda named: [*named[:5], (named[5][0], named[5][1] / 0), *named[6:]], "self_attn.v_proj.weight has"),
        ],
        ids=["missing", "unknown", "misshapen", "not finite"],
    )
    def test_a_bad_stream_raises_and_the_engine_does_not_generate_until_a_good_one(self, engine, model, spoil, message):
        before = responses(engine.generate(PROBLEMS, SAMPLING, 1, seed=0))
        with pytest.raises(RuntimeError, match=message):
            engine.update_weights(iter(spoil(list(stream_weights(model)))), version=1)
        assert engine.policy_version is None
        with pytest.raises(RuntimeError, match="the vLLM engine has no weights"):
            next(engine.generate(PROBLEMS, SAMPLING, 1, seed=0))
        pushed(engine, model, version=1)
        assert responses(engine.generate(PROBLEMS, SAMPLING, 1, seed=0)) == before

    def test_two_in_a_row_leave_the_second(self, engine, model):
        before = responses(engine.generate(PROBLEMS, SAMPLING, 2, seed=0))
        pushed(engine, tiny_qwen(initializer_range=0.3), version=1)
        pushed(engine, model, version=2)
        assert engine.policy_version == 2
        assert responses(engine.generate(PROBLEMS, SAMPLING, 2, seed=0)) == before

    def test_bfloat16_is_close(self):
        model = tiny_qwen(initializer_range=0.05)
        engine = started(model, dtype="bfloat16")
        engine.update_weights(stream_weights(model, engine.weights_dtype), version=0)
        for group in engine.generate(PROBLEMS, SAMPLING, 2, seed=0):
            for rollout in group.rollouts:
                plain = expected_logprobs(model, group, rollout.response, SAMPLING.temperature)
                assert rollout.response.sampler_logprobs == pytest.approx(plain, abs=0.2)
        engine.close()


def test_a_second_engine_can_follow_a_first():
    model = tiny_qwen()
    texts = []
    for _ in range(2):
        engine = pushed(started(model), model)
        texts.append(responses(engine.generate(PROBLEMS, SAMPLING, 1, seed=0)))
        engine.close()
        engine.close()  # twice is no mistake
    assert texts[0] == texts[1]
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("placement", ["colocated", "separate"])
def test_heads_that_vllm_can_not_do_are_a_mistake_of_the_config(placement):
    config = tiny_qwen(num_attention_heads=16, num_key_value_heads=16).config
    with pytest.raises(UserError, match=r"model\.backbone\.config: heads of 4 .* on a CPU vLLM can do 32, 64"):
        VLLMEngine(placement=placement).start(config, TOKENIZER, STOP_IDS, torch.device("cpu"), LONGEST)


def test_more_prompts_than_vllm_takes_in_one_step():
    """About 7,000 prompt tokens, of different lengths: some do not fit into a step, and must not be cut in two."""
    model = tiny_qwen()
    engine = pushed(started(model), model)
    problems = [problem("1" * (20 + i % 40), name=str(i)) for i in range(180)]
    together = responses(engine.generate(problems, SAMPLING, 2, seed=0))
    (alone,) = responses(engine.generate(problems[170:171], SAMPLING, 2, seed=0)).values()
    engine.close()
    assert together.keys() == {str(i) for i in range(180)}
    assert [r.token_ids for r in together["170"]] == [r.token_ids for r in alone]


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="the engine has a GPU of its own")
def test_a_separate_engine_gets_its_weights_from_gpu_to_gpu(monkeypatch):
    told = []
    monkeypatch.setattr("acereason.rollouts.vllm.buffers.rank_zero_info", told.append)
    model = tiny_qwen()
    engine = VLLMEngine(cache_gib=0.25, placement="separate", dtype="bfloat16", bucket_mib=1)
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cuda", 0), LONGEST)
    engine.update_weights(stream_weights(model.to("cuda:0"), engine.weights_dtype), version=0)
    groups = list(engine.generate(PROBLEMS, SAMPLING, 2, seed=0))
    engine.close()
    assert told == ["weights go to the engine through two buffers of 1 MiB on its device (CUDA IPC)"]
    model.to("cpu")
    for group in groups:
        for response in (rollout.response for rollout in group.rollouts):
            plain = expected_logprobs(model, group, response, SAMPLING.temperature)
            assert response.sampler_logprobs == pytest.approx(plain, abs=0.3)


@pytest.mark.parametrize("count", [1, 3])
def test_a_separate_engine_without_a_gpu_of_its_own_is_a_mistake_of_the_config(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    engine = VLLMEngine(placement="separate")
    ranks = count // 2 + 1  # their engines' GPUs would be the next
    with pytest.raises(UserError, match=f"as the {ranks} of trainer.devices, and this machine shows {count};"):
        engine._separate(None, torch.device("cuda", count - ranks), ranks)


def test_the_transfer_backend_has_what_vllm_0_26_builds_none_without():
    from acereason.rollouts.vllm.transfer import BucketTransfer  # here: it imports vLLM

    wanted = {"init_transfer_engine", "start_weight_update", "receive_weights", "finish_weight_update", "shutdown"}
    assert wanted | {"trainer_send_weights"} <= vars(BucketTransfer).keys()
    with pytest.raises(NotImplementedError):
        BucketTransfer.trainer_send_weights(iter([]), {})


def test_the_trainers_threads_are_left_to_it():
    """By the function that vLLM's worker for GPUs calls; that for CPUs leaves them alone.

    In a process of its own, since torch's number of threads can't be set after an engine on a CPU.
    """
    code = (
        "import torch\n"
        "from vllm.utils.torch_utils import set_torch_threads_for_runtime\n"
        "from acereason.rollouts.vllm import core\n"
        "torch.set_num_threads(3)\n"
        "with core._as_it_was():\n"
        "    set_torch_threads_for_runtime()\n"
        "    print(torch.get_num_threads())\n"
        "print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["1", "3"]


@pytest.mark.parametrize(
    ("cpu", "responses", "tokens"), [(True, 256, None), (False, 256, 8192), (False, 10_000, 10_000)]
)
def test_tokens_that_are_computed_at_a_time(monkeypatch, cpu, responses, tokens):
    """vLLM refuses fewer than there may be responses."""
    from acereason.rollouts.vllm import core

    monkeypatch.setattr(core, "current_platform", SimpleNamespace(is_cpu=lambda: cpu))
    settings = CoreSettings("", "float32", 96, 2**20, responses, True, ())
    assert core._arguments(settings).max_num_batched_tokens == tokens
