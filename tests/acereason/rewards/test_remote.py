"""The same verdicts through Ray, as far as it is installed here."""

import os
import time

import pytest

from acereason.common.errors import UserError
from acereason.common.types import Problem
from acereason.rewards import pool as pool_module
from acereason.rewards.pool import RewardPool, RewardSettings
from tests.support.bad_verifiers import dies, sleeps
from tests.support.fakes import problem

try:
    import ray
except ImportError:
    ray = None

needs_ray = pytest.mark.skipif(ray is None, reason="ray is not installed (extra `ray`)")
UNDECIDED = r"\boxed{\sin \frac{\pi}{6}}"


def half() -> Problem:
    """A problem of its own each time: equal responses to the same one would be judged once."""
    return problem(answer=r"\frac12")


@pytest.fixture(scope="module")
def rewards():
    path = os.pathsep.join([os.getcwd(), os.path.join(os.getcwd(), "tests"), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": path}})
    pool = RewardPool(RewardSettings(workers=2, timeout=3, executor="ray"))
    yield pool
    pool.close()
    ray.shutdown()


@needs_ray
def test_verdicts_in_order(rewards):
    responses = [rf"\boxed{{\sin^2 x + \cos^2 x - \frac{{{n}}}{{4}}}}" for n in range(12)]
    verdicts = rewards.stream((half(), response) for response in responses)
    assert [verdict.status == "correct" for verdict in verdicts] == [n == 2 for n in range(12)]


@needs_ray
@pytest.mark.parametrize(("verifier", "error"), [(sleeps, "timeout after 3 s"), (dies, "process died")])
def test_a_failing_verifier_is_an_error_and_the_next_verdict_is_right(rewards, monkeypatch, verifier, error):
    monkeypatch.setattr(pool_module, "judge", verifier)
    verdict = rewards.submit(half(), UNDECIDED).result()
    assert verdict.status == "error"
    assert error in verdict.detail["error"]
    monkeypatch.undo()
    assert rewards.submit(half(), UNDECIDED).result().status == "correct"


@needs_ray
def test_a_dead_actor_is_an_error_and_is_replaced(rewards):
    for host in rewards._executor()._hosts:
        ray.kill(host, no_restart=False)
    verdicts = []
    for _ in range(100):
        verdicts.append(rewards.submit(half(), UNDECIDED).result().status)
        if verdicts[-1] == "correct":
            break
        time.sleep(0.1)
    assert verdicts[-1] == "correct"


@pytest.mark.skipif(ray is not None, reason="ray is installed")
def test_without_ray_the_setting_is_a_mistake_in_one_line():
    with pytest.raises(UserError, match="rewards.executor: ray is not installed"):
        RewardPool(RewardSettings(executor="ray"))
