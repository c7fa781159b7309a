"""A tokenizer of single characters: what a toy model needs, made on the spot."""

import string

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CHARACTERS = "characters"
"""Value of `model.backbone.tokenizer` that asks for this tokenizer."""
_ALPHABET = string.printable[:95] + "\n"
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]  # Qwen2.5's, in its order


def character_tokenizer() -> PreTrainedTokenizerFast:
    r"""One token for each printable ASCII character and line feed, Qwen's three control tokens, and `\boxed{` as one token.

    Other characters become `<|unk|>`. `len(character_tokenizer())` is the vocabulary size for a model's config.
    """
    entries = [*_SPECIAL, "<|unk|>", *_ALPHABET]
    tokenizer = Tokenizer(models.WordLevel({token: index for index, token in enumerate(entries)}, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    tokenizer.add_tokens([AddedToken(r"\boxed{", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>", unk_token="<|unk|>")
