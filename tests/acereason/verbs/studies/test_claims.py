import re

import pytest

from acereason.common.errors import UserError
from acereason.verbs.studies.claims import Claim, check_claims, contrast, decide, verdict
from acereason.verbs.studies.measures import Measure
from acereason.verbs.studies.statistics import Estimate, estimate

VALUES = {
    "sft": {"a": {0: 50.0, 1: 52.0}, "b": {0: 60.0, 1: 61.0}},
    "rl": {"a": {0: 70.0, 1: 71.0}, "b": {0: 74.0, 1: 76.0}},
}


def claim(weights: dict[str, float], least: float = 1.0) -> Claim:
    return Claim("It helps.", "accuracy", weights, least, "+2 points (4.5).")


def test_contrasts_are_taken_seed_by_seed():
    assert contrast(claim({"b@rl": 1, "a@rl": -1}), VALUES) == {0: 4.0, 1: 5.0}
    assert contrast(claim({"a@rl": 1, "a@sft": -1}), VALUES) == {0: 20.0, 1: 19.0}
    narrowed = {"b@sft": 1, "a@sft": -1, "b@rl": -1, "a@rl": 1}  # (60-50) - (74-70), (61-52) - (76-71)
    assert contrast(claim(narrowed), VALUES) == {0: 6.0, 1: 4.0}


def test_a_measure_of_one_moment_needs_no_moment_named():
    assert contrast(claim({"b": 1, "a": -1}), {"end": VALUES["rl"]}) == {0: 4.0, 1: 5.0}


@pytest.mark.parametrize(
    ("values", "least", "expected"),
    [
        ([4, 5, 6, 5, 5], 2, "Shows"),  # 5 +- 0.88
        ([4, 5, 6, 5, 5], 7, "Doesn't show"),  # there is something, and less than would count
        ([-4, -5, -6, -5, -5], 2, "Doesn't show"),
        ([0.1, -0.1, 0.2, -0.2, 0.0], 2, "Doesn't show"),
        ([4, -1, 6, -3, 5], 2, "Can't tell"),
        ([4, 5, 6, 5], 2, "Can't tell"),  # four seeds
        ([1.9, 2.0, 2.1, 2.0, 2.0], 2, "Shows"),  # reaches what would count
    ],
)
def test_verdicts(values, least, expected):
    assert verdict(estimate(values), least) == expected


def test_a_sentence_has_verdict_interval_seeds_and_the_papers_number():
    measure = Measure("test", "avg", "sums")
    values = {"end": {"a": dict(enumerate([1.0] * 5)), "b": dict(enumerate([5.0, 6.0, 7.0, 6.0, 6.0]))}}
    found = decide(claim({"b": 1, "a": -1}, 2.0), measure, values)
    assert found.contrast == Estimate(5.0, pytest.approx(0.5**0.5 / 5**0.5), 5)
    assert found.sentence() == (
        "Shows: It helps. Here +5.00 points (95 % interval +4.12 to +5.88, 5 seeds), 2 points would count; "
        "the paper: +2 points (4.5)."
    )


@pytest.mark.parametrize(
    ("value", "benchmark", "least", "counts"),
    [
        ("avg", "sums", 1.0, "1 point"),
        ("avg", "sums", 1.5, "1.5 points"),
        ("length_mean", "sums", 1.0, "1 token"),
        ("response/length_mean", None, 2.0, "2 tokens"),
        ("policy/entropy", None, 0.02, "0.02 nats"),
        ("reward/mean", None, 0.1, "0.1"),
    ],
)
def test_what_would_count_has_the_measures_unit(value, benchmark, least, counts):
    values = {"end": {"a": {0: 1.0}, "b": {0: 5.0}}}
    assert decide(claim({"b": 1, "a": -1}, least), Measure("rl", value, benchmark), values).counts() == counts


def test_a_single_seed_says_that_it_has_no_interval():
    values = {"end": {"a": {0: 1.0}, "b": {0: 5.0}}}
    told = decide(claim({"b": 1, "a": -1}), Measure("test", "avg", "sums"), values).sentence()
    assert told.startswith("Can't tell: It helps. Here +4.00 points (no interval, 1 seed; a claim needs 5)")


def test_a_contrast_is_of_the_seeds_in_which_all_its_places_have_a_value():
    values = {"k=8": {"a": {0: 50.0, 2: 53.0}, "b": {0: 60.0, 1: 61.0, 2: 62.0}}}
    assert contrast(claim({"b@k=8": 1, "a@k=8": -1}), values) == {0: 10.0, 2: 9.0}
    values["k=8"]["b"] = {1: 61.0}
    with pytest.raises(UserError, match=r"no seed has a value of each of b@k=8, a@k=8"):
        contrast(claim({"b@k=8": 1, "a@k=8": -1}), values)


@pytest.mark.parametrize(
    ("weights", "least", "told"),
    [
        ({"c@rl": 1}, 1.0, "no arm c; there are a, b"),
        ({"a@lr": 1}, 1.0, "a@lr isn't measured; the moments are sft, rl"),
        ({"a": 1}, 1.0, "a isn't measured; the moments are sft, rl"),
        ({}, 1.0, "contrast is empty"),
        ({"a@rl": 1}, 0.0, "least is 0; give the smallest difference that counts"),
        ({"a@rl": 1}, float("nan"), "least is nan; give the smallest"),
    ],
)
def test_mistakes_name_the_claim(weights, least, told):
    with pytest.raises(UserError, match=f"'It helps.': {re.escape(told)}"):
        check_claims([claim(weights, least)], {"accuracy": (["a", "b"], ["sft", "rl"])})


def test_moments_that_only_results_tell_are_looked_for_in_them():
    check_claims([claim({"a@k=8": 1})], {"accuracy": (["a"], None)})
    with pytest.raises(UserError, match="'It helps.': no measure accuracy; there are length"):
        check_claims([claim({"a": 1})], {"length": (["a"], None)})
    with pytest.raises(UserError, match="b@end isn't measured; the moments are sft, rl"):
        contrast(claim({"b@end": 1}), VALUES)
