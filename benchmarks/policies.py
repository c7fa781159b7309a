"""Policies with random weights that both sides of a race load from the same folder."""

import subprocess
import sys
from math import log
from pathlib import Path

import torch

from acereason.algorithm.batching import collate
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import export
from acereason.models.qwen import Qwen, build_model

SIZES = {
    "0.8M": {
        "vocab_size": 260,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    },
    "30M": {
        "vocab_size": 260,
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 10,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
    },
    "135M": {
        "vocab_size": 260,
        "hidden_size": 640,
        "intermediate_size": 1856,
        "num_hidden_layers": 30,
        "num_attention_heads": 10,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
    },
}
"""transformers' Qwen2Config, by number of parameters. The first is the quickstart's."""


def write_policy(folder: Path, size: str, mean_length: float | None = None) -> None:
    """A Hugging Face folder. With `mean_length` every token ends a response with the same probability, so that lengths
    are geometric: most are short and a few are very long, as those of reasoning models."""
    tokenizer, backbone = byte_tokenizer(), Backbone(config=SIZES[size], tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    if mean_length is not None:
        stop_with(model, tokenizer.eos_token_id, 1 / mean_length)
    export(model, tokenizer, folder, is_writer=True)


@torch.no_grad()
def stop_with(model: Qwen, token: int, probability: float) -> None:
    """Give a token about the same probability everywhere: channel 0 of the hidden state is a constant that no layer
    changes, and the token's logit reads it alone. The vocabulary projection must not be tied."""
    model.model.embed_tokens.weight[:, 0] = 1.0
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight[0] = 0.0
        layer.mlp.down_proj.weight[0] = 0.0
    head = model.lm_head.weight
    head[:, 0] = 0.0
    head[token] = 0.0
    hidden = _hidden(model)
    others = (hidden @ head.T).logsumexp(-1).mean().item()  # the token's own part, exp 0, is lost among them
    head[token, 0] = (others + log(probability / (1 - probability))) / hidden[:, 0].mean()


def _hidden(model: Qwen) -> torch.Tensor:
    """[N, H] final hidden states of random text."""
    tokens = torch.randint(model.config.vocab_size, (256,), generator=torch.Generator().manual_seed(0)).tolist()
    batch = collate([Sequence(tokens, prompt_length=1, weight=0.0)])
    return model.model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        use_cache=False,
        document_lengths=batch.document_lengths,
    ).last_hidden_state[0]


def quickstart_policy() -> Path:
    """The quickstart's SFT model, trained now where it is not there: its configs name this folder."""
    folder = Path("runs/quickstart/sft/export")
    if not folder.exists():
        subprocess.run([sys.executable, "run.py", "fit", "--config=conf/quickstart/sft.yaml"], check=True)
    return folder
