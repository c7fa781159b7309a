from math import log2

import pytest

from acereason.common.errors import UserError
from acereason.verbs.studies.fits import Scaling, check_fits, fitted
from acereason.verbs.studies.measures import Measure
from acereason.verbs.studies.plan import StudyStep

PROMPTS = {"a": 100.0, "b": 100.0, "c": 400.0, "d": 400.0}
RESPONSES = {"a": 1.0, "b": 4.0, "c": 1.0, "d": 4.0}
STEPS = [StudyStep("test", "test", "a.yaml")]
FIT = Scaling("accuracy", PROMPTS, RESPONSES)


def accuracy(arm: str, seed: int) -> float:
    return 10 + (3 + seed) * log2(PROMPTS[arm]) + 2 * log2(RESPONSES[arm])


def test_each_seed_has_a_fit_of_its_own():
    values = {"accuracy": {"end": {arm: {seed: accuracy(arm, seed) for seed in (0, 1)} for arm in PROMPTS}}}
    found = fitted("scaling", FIT, values)
    # by hand: log2 is two steps of 2, so that a standard deviation is 1
    assert found["a"]["fit"] == pytest.approx({0: 3.0, 1: 4.0})
    assert found["b"]["fit"] == pytest.approx({0: 2.0, 1: 2.0})
    assert found["r2"]["fit"] == pytest.approx({0: 1.0, 1: 1.0})


def test_mistakes_name_the_key():
    measures, arms = {"accuracy": Measure("test", "avg", "sums")}, list("abcd")
    check_fits({"scaling": FIT}, measures, arms, STEPS)
    with pytest.raises(UserError, match="fits.accuracy: is a measure's name"):
        check_fits({"accuracy": FIT}, measures, arms, STEPS)
    with pytest.raises(UserError, match="fits.s.measure: no measure length; there are accuracy"):
        check_fits({"s": Scaling("length", PROMPTS, RESPONSES)}, measures, arms, STEPS)
    with pytest.raises(UserError, match="fits.s.prompts: no arm d"):
        check_fits({"s": FIT}, measures, ["a", "b", "c"], STEPS)
    with pytest.raises(UserError, match="fits.s: prompts and responses name different arms"):
        check_fits({"s": Scaling("accuracy", PROMPTS, {"a": 1.0})}, measures, arms, STEPS)
    with pytest.raises(UserError, match="fits.s.moment: accuracy has no later; there are end"):
        check_fits({"s": Scaling("accuracy", PROMPTS, RESPONSES, "later")}, measures, arms, STEPS)
    with pytest.raises(UserError, match="scaling: all x, or all y, are the same"):
        check_fits({"s": Scaling("accuracy", PROMPTS, dict.fromkeys(PROMPTS, 1.0))}, measures, arms, STEPS)
    with pytest.raises(UserError, match="fits.s.moment: accuracy has no end; there are"):
        fitted("s", FIT, {"accuracy": {"later": {}}})


def test_a_seed_without_a_value_of_some_arm_has_no_fit():
    table = {arm: {seed: accuracy(arm, seed) for seed in (0, 1)} for arm in PROMPTS}
    del table["d"][1]
    assert fitted("scaling", FIT, {"accuracy": {"end": table}})["a"]["fit"] == pytest.approx({0: 3.0})
