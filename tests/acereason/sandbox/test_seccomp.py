import errno
import json
import os
import struct

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


def decision(code: bytes, number: int, argument: int, arch: int) -> int:
    """What the filter returns, instruction by instruction."""
    words, at, loaded = list(struct.iter_unpack("=HBBI", code)), 0, 0
    while True:
        operation, if_true, if_false, value = words[at]
        at += 1
        if operation == seccomp._LOAD:
            loaded = {0: number, 4: arch, 16: argument}[value]
        elif operation == seccomp._RETURN:
            return value
        else:
            holds = {seccomp._JEQ: loaded == value, seccomp._JGE: loaded >= value, seccomp._JSET: loaded & value}
            at += if_true if holds[operation] else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_decides_as_its_tables_say(machine):
    column, arch, _ = seccomp._ARCHES[machine]
    code = seccomp.program(machine, 77)
    refused = {pair[column] for pair in seccomp.REFUSED.values()}
    refused |= set(seccomp.REFUSED_X86.values()) if machine == "x86_64" else set()
    with_argument = {seccomp._KILL[column]: {77, 0}, seccomp._TGKILL[column]: {77}, seccomp._PRLIMIT[column]: {77, 0}}
    allow, refuse, missing = seccomp._ALLOW, seccomp._ERRNO | errno.EPERM, seccomp._ERRNO | errno.ENOSYS
    for number in [*range(600), 2**30, 2**32 - 1]:
        for argument in (0, 11, 77, 78, 0x20000000):
            if number > 462 or number == seccomp._CLONE3[column]:
                expected = missing
            elif number in with_argument:
                expected = allow if argument in with_argument[number] else refuse
            elif number == seccomp._CLONE[column]:
                expected = refuse if argument == 0x20000000 else allow
            else:
                expected = refuse if number in refused else allow
            assert decision(code, number, argument, arch) == expected, (number, argument)
    assert decision(code, 0, 0, arch + 1) == seccomp._KILL_PROCESS


def test_a_process_finds_its_own_id_in_the_filter():
    assert seccomp.Filter().of(4711) == seccomp.program(MACHINE, 4711)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filters_fit_the_kernels_limit(machine):
    code = seccomp.program(machine, 1)
    assert len(code) % 8 == 0
    assert len(code) // 8 <= 4096
    column = seccomp._ARCHES[machine][0]
    numbers = [pair[column] for pair in seccomp.REFUSED.values()]
    assert len(set(numbers)) == len(numbers)
