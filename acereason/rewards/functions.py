"""Rewards of a user's own: the functions and verifiers that `rewards.functions` names, and their weighted sum."""

import importlib
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from acereason.common.errors import UserError, first_line
from acereason.common.types import Problem, Verdict
from acereason.rewards.settings import RewardSettings
from acereason.rewards.verifier import Judgement, Verifier, as_verdict

_KEY = "rewards.functions"


class Function(Verifier):
    """Judges by a function of a problem and a response."""

    def __init__(self, settings: RewardSettings, name: str) -> None:
        super().__init__(settings)
        # why: the name alone, which a worker can always import; a decorated function may be no value to pickle
        self.name = name

    def judge(self, problem: Problem, text: str) -> Judgement:
        """Call the function."""
        verdict = as_verdict(_named(self.name)(problem, text))
        verdict.detail.setdefault("path", self.name)
        return verdict


def load(name: str, settings: RewardSettings) -> Verifier:
    """Return the verifier of a user's function or class; a UserError says what is wrong with it."""
    try:
        target = _named(name)
        if isinstance(target, type):
            return _instance(target, settings)
        _check_signature(name, inspect.signature(target))
    except UserError:
        raise
    # why: the import runs a user's file, which may raise anything
    except Exception as error:
        raise UserError(f"{_KEY}: {name}: {type(error).__name__}: {first_line(error)}") from error
    return Function(settings, name)


def combined(parts: dict[str, "Future[Verdict]"], weights: dict[str, float]) -> "Future[Verdict]":
    """Return the verdict on a response that several judge, once the last of them has judged it."""
    whole: Future[Verdict] = Future()

    def finish() -> None:
        whole.set_result(weighted({name: part.result() for name, part in parts.items()}, weights))

    _when_done(list(parts.values()), finish)
    return whole


def weighted(verdicts: dict[str, Verdict], weights: dict[str, float]) -> Verdict:
    """Return one verdict of several: the first one's status, and the weighted sum of the rewards; an error of any is an
    error of the whole."""
    first, failed = next(iter(verdicts)), [name for name in verdicts if verdicts[name].status == "error"]
    detail = verdicts[first].detail | {
        "functions": {name: _entry(verdict, shown=name != first) for name, verdict in verdicts.items()},
        "seconds": round(sum(verdict.detail.get("seconds", 0.0) for verdict in verdicts.values()), 6),
    }
    if failed:
        return Verdict("error", detail | {"error": f"{failed[0]}: {verdicts[failed[0]].detail.get('error')}"})
    total = sum(weights[name] * (verdict.reward or 0.0) for name, verdict in verdicts.items())
    return Verdict(verdicts[first].status, detail, total)


def _entry(verdict: Verdict, shown: bool) -> dict[str, Any]:
    # why: the first one's detail is that of the whole verdict
    return {"reward": verdict.reward} | (verdict.detail if shown else {})


def _named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise UserError(f"{_KEY}: {name}: name it as MODULE.FUNCTION")
    target = getattr(importlib.import_module(module), attribute, None)
    if not callable(target):
        raise UserError(f"{_KEY}: {name}: {module} has no function or class {attribute}")
    return target


def _instance(target: type, settings: RewardSettings) -> Verifier:
    if not issubclass(target, Verifier):
        raise UserError(f"{_KEY}: {target.__name__}: a class must be one of acereason.rewards.verifier.Verifier")
    return target(settings)


def _check_signature(name: str, signature: inspect.Signature) -> None:
    try:
        signature.bind("problem", "text")
    except TypeError as error:
        raise UserError(f"{_KEY}: {name}: takes {signature}, not (problem, text)") from error


def _when_done(futures: list["Future[Verdict]"], then: Callable[[], None]) -> None:
    # why: one after the other, so that nothing is counted, which would need a lock
    if not futures:
        then()
        return
    futures[0].add_done_callback(lambda done: _when_done(futures[1:], then))
