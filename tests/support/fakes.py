"""Tiny stand-ins that tests share: a Qwen2 of some ten thousand parameters, and rollouts made by hand."""

from dataclasses import asdict
from types import SimpleNamespace

import torch
from transformers import Qwen2Config

from acereason.common.types import Group, Problem, Response, Rollout, Verdict
from acereason.data.curriculum import Curriculum, Plan
from acereason.data.stage import Stage
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.qwen import Qwen, build_model

CONFIG = {
    "vocab_size": 260,
    "hidden_size": 64,  # heads of 32: the smallest that vLLM can do on a CPU
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "tie_word_embeddings": True,
}
SEVEN_B = Qwen2Config(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    tie_word_embeddings=False,
)
"""The shape that Qwen2.5-Math-7B publishes."""
BACKBONE = Backbone(config=CONFIG, tokenizer="bytes")
TOKENIZER = byte_tokenizer()
STOP_IDS = [TOKENIZER.convert_tokens_to_ids("<|im_end|>"), TOKENIZER.eos_token_id]


def tiny_qwen(**overrides) -> Qwen:
    backbone = Backbone(config=CONFIG | overrides, tokenizer="bytes")
    return build_model(load_config(None, backbone), None, backbone, seed=0)


def problem(statement: str = "1+1", answer: str = "2", name: str = "p") -> Problem:
    ids = TOKENIZER(statement + "\n", add_special_tokens=False)["input_ids"]
    return Problem(id=name, task="math", statement=statement, answer=answer, source="test", prompt_ids=ids)


def rollout(status: str = "correct", length: int = 3, truncated: bool = False) -> Rollout:
    response = Response([7] * length, [-1.0] * length, "length" if truncated else "stop", text="seven")
    verdict = Verdict(status, {"error": "made up"} if status == "error" else {})
    return Rollout(response, verdict, verdict.reward)


def group(*rollouts: Rollout, name: str = "p") -> Group:
    return Group(problem(name=name), list(rollouts))


def fake_trainer(**attributes) -> SimpleNamespace:
    """What callbacks see of a trainer."""
    defaults = {
        "global_step": 0,
        "is_global_zero": True,
        "callbacks": [],
        "logger": None,
        "loggers": [],
        "world_size": 1,
        "is_last_batch": False,
        "should_stop": False,
        "max_steps": -1,
    }
    return SimpleNamespace(**defaults | attributes)


def curriculum(plan: Plan | None = None, **stages: Stage) -> Curriculum:
    """A curriculum in the epoch of the plan, by default the first one. Without stages it has one, `a`."""
    made = Curriculum(stages or {"a": Stage(["s"], steps=9)})
    made.advance(epoch=0, step=0)
    if plan:
        made.load_state_dict({"plan": asdict(plan)})
    return made


class FakeModule:
    """What callbacks see of a module: it remembers what they log."""

    curriculum: Curriculum | None = None

    def __init__(self, **attributes) -> None:
        self.__dict__.update(attributes)
        self.logged: dict[str, float] = {}

    def end_if_interrupted(self) -> None:
        """Nobody has sent a signal."""

    def record(self, values: dict[str, float]) -> None:
        self.logged |= values


def plain_logprobs(model: Qwen, token_ids: list[int], temperature: float = 1.0) -> torch.Tensor:
    """[len - 1, V] by transformers' own forward pass, one sequence at a time."""
    logits = model(input_ids=torch.tensor([token_ids]), use_cache=False, document_lengths=[len(token_ids)]).logits[0]
    return torch.log_softmax(logits[:-1].float() / temperature, dim=-1)
