import json
import os

import pytest

from acereason.sandbox import Sandbox, seccomp

MACHINE = os.uname().machine


@pytest.fixture(scope="module")
def names() -> dict[str, int]:
    column = seccomp._ARCHES[MACHINE][0]
    found = {name: numbers[column] for name, numbers in seccomp.REFUSED.items()}
    return found | (seccomp.REFUSED_X86 if MACHINE == "x86_64" else {})


def call_all(numbers: list[int]) -> list[str]:
    """errno of each call with arguments that no call takes, from inside the sandbox."""
    program = (
        "import ctypes, errno, json\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def call(number):\n"
        "    libc.syscall(number, *[ctypes.c_long(-1)] * 6)\n"
        "    return errno.errorcode.get(ctypes.get_errno(), '')\n"
        f"print(json.dumps([call(number) for number in {numbers}]))"
    )
    sandbox = Sandbox()
    found = sandbox.run({"mode": "script", "program": program})
    sandbox.close()
    return json.loads(found.stdout)


@pytest.mark.skipif(not seccomp.supported(), reason="no table for this machine")
def test_every_entry_is_refused(names):
    assert dict(zip(names, call_all(list(names.values())), strict=True)) == dict.fromkeys(names, "EPERM")


@pytest.mark.skipif(MACHINE != "x86_64", reason="numbers of x86-64")
def test_new_and_foreign_calls_do_not_exist():
    assert call_all([435, 463, 600, 0x40000000 + 39]) == ["ENOSYS"] * 4


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filters_fit_the_kernels_limit(machine):
    code = seccomp.program(machine, 1)
    assert len(code) % 8 == 0
    assert len(code) // 8 <= 4096
    column = seccomp._ARCHES[machine][0]
    numbers = [pair[column] for pair in seccomp.REFUSED.values()]
    assert len(set(numbers)) == len(numbers)
