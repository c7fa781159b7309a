"""What the engine's process says and does when the trainer or the engine stops in the middle of a generation."""

import multiprocessing
import threading

import pytest

from acereason.rollouts.vllm.serving import _Server


class Failing:
    """An engine that fails after some completions."""

    def __init__(self, completions: int) -> None:
        self.completions = completions

    def generate(self, requests, sampling):
        yield from range(self.completions)
        raise RuntimeError("out of memory")


def test_an_engine_that_fails_has_sent_all_it_had_and_leaves_no_thread():
    (trainer, ours), before = multiprocessing.Pipe(), threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        _Server(ours, Failing(3)).generate([], None)
    ours.send("the reason")  # what follows is not mixed with what a thread still sends
    assert [trainer.recv() for _ in range(4)] == [("done", 0), ("done", 1), ("done", 2), "the reason"]
    assert threading.active_count() == before


def test_a_trainer_that_has_gone_leaves_no_thread_and_no_traceback(capfd):
    (trainer, ours), before = multiprocessing.Pipe(), threading.active_count()
    trainer.close()
    with pytest.raises((EOFError, RuntimeError)):
        _Server(ours, Failing(100)).generate([], None)
    assert threading.active_count() == before
    assert capfd.readouterr().err == ""
