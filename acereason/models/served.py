"""What whoever serves an export needs beside its weights: where responses end, how prompts are made, how to sample."""

import copy
from dataclasses import dataclass
from pathlib import Path

from transformers import GenerationConfig, PreTrainedTokenizerBase

from acereason.errors import UserError, first_line


def generation_of(pretrained: str | None) -> GenerationConfig:
    """The generation_config.json beside the weights; an empty one for random weights, and where there is none."""
    file = Path(pretrained or "") / "generation_config.json"
    if pretrained is None or (file.parent.is_dir() and not file.exists()):
        return GenerationConfig()
    try:
        return GenerationConfig.from_pretrained(pretrained)
    except OSError as error:
        if file.exists():
            raise UserError(f"model.pretrained: {file} can't be read: {first_line(error)}") from error
        return GenerationConfig()  # the Hub has none; whether there is a model at all, its config.json has told


def ends_of(generation: GenerationConfig) -> list[int]:
    """The tokens that end a response by a generation config."""
    ids = generation.eos_token_id
    return [ids] if isinstance(ids, int) else list(ids or [])


@dataclass
class Served:
    """How an exported policy is served: as it was trained, and sampled as it is measured."""

    chat_template: str
    """In Jinja."""
    stop_ids: list[int]
    """Tokens that end a response, first the one that is learnt."""
    generation: GenerationConfig
    """Of the model that training began with."""

    def tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """A copy of the trainer's with the template, and with the end token as its own.

        One that is no special token stays out of it: to be declared special would change how texts are cut into tokens.
        """
        served = copy.deepcopy(tokenizer)
        served.chat_template = self.chat_template
        if served.pad_token is None:
            served.pad_token = served.eos_token  # before that becomes the end token: padding is no end
        end = served.added_tokens_decoder.get(self.stop_ids[0])
        if end is not None and end.special:
            served.eos_token = end.content
        return served

    def generation_config(self, tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
        """Where a response ends, and the paper's sampling (4.1), by which `test` measures: vLLM and transformers take
        it for a request that says nothing. A base's own sampling and limits go: this policy was trained without."""
        pad = tokenizer.pad_token_id if self.generation.pad_token_id is None else self.generation.pad_token_id
        return GenerationConfig(
            bos_token_id=self.generation.bos_token_id,
            pad_token_id=pad,
            eos_token_id=self.stop_ids,
            do_sample=True,
            temperature=0.6,
            top_p=0.95,
            top_k=0,  # transformers would take 50 of it by itself
        )
