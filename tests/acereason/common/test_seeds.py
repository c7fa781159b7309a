import subprocess
import sys

from acereason.common.seeds import derive_seed, shuffled


def test_seeds_are_fixed_for_good():
    assert derive_seed(0, "rollout", 3) == 1445652586810427180


def test_parts_do_not_run_together():
    assert len({derive_seed("a", "bc"), derive_seed("ab", "c"), derive_seed("abc"), derive_seed("a", "b", "c")}) == 4


def test_another_process_draws_the_same():
    code = "from acereason.common.seeds import derive_seed, shuffled; print(derive_seed(1, 'x'), shuffled(range(9), 2))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == f"{derive_seed(1, 'x')} {shuffled(range(9), 2)}"


def test_shuffled_keeps_every_item():
    assert sorted(shuffled(range(100), "seed")) == list(range(100))
    assert shuffled(range(100), "seed") != shuffled(range(100), "other")
