"""Run untrusted Python programs, each run in a process of its own.

`Sandbox` starts a zygote (`zygote.py`): a bare interpreter, apart from the trainer's, with the standard library loaded.
For each run it forks a process, gives up in it all rights that a program must not have (`layers.py`), and runs the
program (`program.py`); when the run ends, everything that the program started is killed and its files are gone.
Expected outputs never enter that process: they are compared by the caller, or by an examiner in a sandbox of its own
(`examiner.py`).

Layers and their providers, best first; a sandbox finds out at its start which of them the machine has, and tests them
by a program that tries to get through:

- limits: rlimits on CPU, memory, processes, open files and file sizes; processor time and sleep; cap on output.
- processes: a pid namespace; as root without it, killing all of a user id that only this slot has; else the zygote is
  the reaper of orphans and kills its whole tree.
- files: a root of read-only Python files with a small in-memory scratch folder (mount namespace), and Landlock.
- network: an empty network namespace, and a seccomp filter without sockets.
- syscalls: the seccomp filter (x86-64 and arm64).
- user: a user id that owns nothing, one for each slot, where the trainer runs as root.

Not covered: flaws of the kernel (use a virtual machine around everything if that is your threat), side channels between
programs on the same cores, memory of a run beyond its limit times its number of processes, disk space where there is no
namespace to mount the scratch folder in, Python's own files (readable), and machines other than Linux. Where there are
no namespaces and the caller isn't root, programs share the caller's user, and a process that sleeps survives the zygote
if somebody else kills that with SIGKILL.
"""

from acereason.sandbox.client import Sandbox
from acereason.sandbox.job import Job, collect
from acereason.sandbox.settings import Isolation, Layer, Limits, Outcome, Run, SandboxError

__all__ = ["Isolation", "Job", "Layer", "Limits", "Outcome", "Run", "Sandbox", "SandboxError", "collect"]
