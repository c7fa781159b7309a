"""Where a response's answer counts: after its thoughts, which end with `</think>`."""

from acereason.common.types import Verdict
from acereason.rewards.settings import RewardSettings


def final_part(text: str) -> str:
    """Return the text after the last `</think>`; the whole text where there is none."""
    return text.rpartition("</think>")[2]


def unfinished(text: str, settings: RewardSettings) -> Verdict | None:
    """Return the verdict on a response that lacks a `</think>` which is required; None for any other."""
    if settings.after_think == "require" and "</think>" not in text:
        return Verdict("wrong", {"extracted": None, "path": "no </think>"})
    return None
