import sys

from benchmarks.starts import seconds_of

SPIN = "import time\nwhile time.process_time() < 0.3: pass"


def test_a_command_is_charged_with_its_own_work_and_its_childrens():
    nested = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', {SPIN!r}])"
    alone, with_child = seconds_of("-c", SPIN), seconds_of("-c", f"{nested}\n{SPIN}")
    assert alone >= 0.29
    assert with_child >= 0.58
    assert seconds_of("-c", "import time; time.sleep(0.6)") < 0.29
