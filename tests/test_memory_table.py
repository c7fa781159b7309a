"""docs/memory.md says what preflight's arithmetic gives."""

import re

from acereason.verbs.preflight.memory import estimate, estimate_machine
from docs.memory_table import END, PAGE, module, needs, parameters, tokens_a_second, within

SEVEN = "Qwen2.5-Math-7B"


def test_the_tables_are_of_this_code():
    page = PAGE.read_text()
    assert page.count(END) == 1
    assert page == within(page), "run python -m docs.memory_table"


def test_one_gpu_of_80_gb_trains_7b_whole_with_offloading_alone():
    found = {option: needs(SEVEN, option, 1) for option in ("none", "8-bit AdamW", "offload")}
    fits = {option: max(each["generating"], each["updating"]) < 72e9 for option, each in found.items()}
    assert fits == {"none": False, "8-bit AdamW": False, "offload": True}


def test_the_sum_of_7b_offloaded():
    """Of responses of 32K tokens."""
    text = PAGE.read_text().split("## Qwen2.5-Math-7B on one 80 GB GPU")[1].split("## Offloading")[0]
    shown = re.findall(r"^\| \W*(generating|updating|the machine).*\*\*([\d.]+)\*\* \|$", text, re.MULTILINE)
    phases = estimate(module(SEVEN, "offload"), parameters(SEVEN), 1, 1024 + 32768, 8)
    phases["the machine"] = estimate_machine(module(SEVEN, "offload"), parameters(SEVEN), 1, made=False)
    assert dict(shown) == {phase: f"{sum(parts.values()) / 1e9:.1f}" for phase, parts in phases.items()}


def test_two_gpus_train_7b_whole_by_sft_with_moments_of_8_bits():
    assert needs(SEVEN, "none", 2)["updating"] > 72e9 > needs(SEVEN, "8-bit AdamW", 2)["updating"]


def test_rl_waits_less_for_the_machine_than_sft():
    """It mostly generates."""
    (sft, rl), (slow_sft, slow_rl) = (tokens_a_second(SEVEN, option, 8) for option in ("none", "offload"))
    assert slow_sft / sft < slow_rl / rl < 1
