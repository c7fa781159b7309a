"""A tokenizer of single bytes for toy models, which is built without any file."""

from tokenizers import AddedToken, pre_tokenizers
from transformers import Qwen2Tokenizer

BYTES = "bytes"
"""Value of `model.backbone.tokenizer` that asks for this tokenizer."""


def byte_tokenizer() -> Qwen2Tokenizer:
    r"""Build Qwen2's tokenizer without merges: tokens of single bytes, three control tokens, and `\boxed{`.

    It has 260 entries, and is saved, loaded and served as any Qwen2 tokenizer is.
    """
    vocab = {symbol: index for index, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.add_tokens([AddedToken(r"\boxed{", normalized=False)])
    return tokenizer
