"""Programs that attack the sandbox or the verdict. Each is run on stdin "3\\n", where "42\\n" is expected.

An attack prints 42 when it succeeds, so its outcome is `wrong` (or how it was stopped). `passed` is where the program
is entitled to its answer, and only what it leaves behind is in question.
"""

TIME = {
    "loops": "while True: pass",
    "swallows every exception": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "ignores every signal": """
import signal
for number in signal.valid_signals():
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass""",
    "sleeps": "import time; time.sleep(600)",
    "is lost in C code": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "computes a huge power": "print(len(str(7 ** (10 ** 9))))",
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "leaves a thread running": """
import threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(42)""",
    "loops in an exit handler": "import atexit\n@atexit.register\ndef forever():\n    while True: pass\nprint(42)",
    "waits for a child that sleeps": "import os, time\nif os.fork(): os.wait()\nelse: time.sleep(600)",
    "reads without end": "data = open('/dev/zero', 'rb')\nwhile True: data.read(1000)",
    "floods stderr": "import os\nwhile True: os.write(2, b'x' * 10000)",
    "waits for more input than there is": "import os, time\nwhile not os.read(0, 10) or True: pass",
}

MEMORY = {
    "grows a list": "a = []\nwhile True: a.append(bytearray(10 ** 7))",
    "asks for a terabyte": "a = 'x' * 10 ** 12",
    "maps memory": "import mmap\nm = [mmap.mmap(-1, 10 ** 8) for _ in range(100)]",
}

OUTPUT = {
    "prints without end": "while True: print('x' * 1000)",
    "writes to the descriptor": "import os\nwhile True: os.write(1, b'x' * 60000)",
    "prints 50 MB at once": "print('x' * 50_000_000)",
    "prints through children": "import os\nfor _ in range(3): os.fork()\nwhile True: os.write(1, b'x' * 60000)",
}

RUNTIME = {
    "forks without end": "import os\nwhile True: os.fork()",
    "starts threads without end": """
import threading, time
while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()""",
    "reads freed memory": "import ctypes; ctypes.string_at(0)",
    "overflows the C stack": """
import sys
sys.setrecursionlimit(10 ** 9)
class Endless:
    def __getattr__(self, name): return getattr(self, name + 'x'[:0])
Endless().a""",
    "aborts": "import os; os.abort()",
    "kills its own group": "import os, signal; os.killpg(0, signal.SIGTERM) or os.kill(os.getpid(), signal.SIGSEGV)",
    "answers, and fails at the end": "print(42)\nraise SystemExit(3)",
    "runs another program": "import subprocess; print(subprocess.run(['/bin/echo', '42'], capture_output=True).stdout)",
    "fills the disk": "with open('big', 'wb') as file:\n    while True: file.write(b'x' * 10 ** 6)",
    "makes itself a device": "import os, stat; os.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(8, 0)); print(42)",
    "writes to /tmp": "open('/tmp/acereason-hostile', 'w').write('x'); print(42)",
    "writes to /dev/shm": "open('/dev/shm/acereason-hostile', 'w').write('x'); print(42)",
    "writes to /var/tmp": "open('/var/tmp/acereason-hostile', 'w').write('x'); print(42)",
    "reads passwords": "print(open('/etc/passwd').read() and 42)",
    "overwrites Python": "import os; open(os.__file__, 'a').write('#'); print(42)",
    "prints half a character": "print('\\ud800')",
    "looks for a folder of homes": "import os; print(os.listdir('/home') and 42)",
}

SYNTAX = {
    "is no Python": "print(42",
    "nests too deep": "print(" + "(" * 20000 + "42" + ")" * 20000 + ")",
    "has a NUL": "print(42)\0",
    "is too long": "x = '" + "a" * 70_000 + "'\nprint(42)",
}

_BLOCKED = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt():
{}
try: print(42 if attempt() else 'blocked')
except Exception as error: print('blocked', error)
"""


def _attempt(body: str) -> str:
    return _BLOCKED.format("\n".join(f"    {line}" for line in body.strip().splitlines()))


WRONG = {
    "exits early": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
    "doesn't flush": "import os, sys; sys.stdout.write('42'); os._exit(0)",
    "closes its output": "import os; os.close(1); os.open('/dev/null', 1); print(42)",
    "looks for the tests on disk": """
import os
for folder, _, files in os.walk('.'):
    for name in files:
        if '42' in open(os.path.join(folder, name)).read(): print(42)
print('none')""",
    "looks for the tests in memory": """
import gc, sys
frame, seen = sys._getframe(), []
while frame:
    seen += [str(value) for value in frame.f_locals.values()] + [str(v) for v in frame.f_globals.values()]
    frame = frame.f_back
for value in gc.get_objects():
    held = value.values() if type(value) is dict else value if type(value) in (list, tuple, set) else []
    seen += [str(item) for item in list(held) if type(item) in (str, bytes)] if value is not seen else []
print(42 if any(''.join(['4', '2', chr(92), 'n']) in text for text in seen) else 'none')""",
    "looks for the tests in open files": """
import os
found = b''
for fd in list(range(3)) + list(range(3, 300)):
    try: found += os.pread(fd, 10000, 0)
    except OSError: pass
print(42 if b'42' in found else 'none')""",
    "talks to the zygote": """
import os
reached = 0
for fd in range(4, 1000):
    try: os.write(fd, b'run'); reached += 1
    except OSError: pass
print(42 if reached else 'none')""",
    "looks for secrets": """
import os
known = 'PATH LANG HOME TMPDIR PYTHONHASHSEED OMP_NUM_THREADS OPENBLAS_NUM_THREADS LC_CTYPE'
print(42 if set(os.environ) - set(known.split()) else 'none')""",
    "reads the trainer's source": _attempt(
        "import acereason.rewards.code.verdict\nreturn open(acereason.rewards.code.verdict.__file__)"
    ),
    "reads other processes' memory": _attempt(
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdigit() and int(pid) != os.getpid():\n"
        "        for name in ('mem', 'environ', 'maps'):\n"
        "            try: return open(f'/proc/{pid}/{name}', 'rb')\n"
        "            except OSError: pass"
    ),
    "links to a file outside": _attempt("os.symlink('/etc/passwd', 'link')\nreturn open('link').read()"),
    "walks up": _attempt("os.chdir('..')\nos.chdir('..')\nreturn os.listdir('.')"),
    "leaves a root": _attempt("os.chroot('.')\nreturn True"),
    "connects to this machine": _attempt("return socket.create_connection(('127.0.0.1', 22), 1)"),
    "sends a datagram": _attempt("return socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 53))"),
    "asks the name server": _attempt("return socket.getaddrinfo('example.org', 80)"),
    "opens a raw socket": _attempt("return socket.socket(17, 3, 0)"),
    "talks to the kernel by netlink": _attempt("return socket.socket(16, 3, 0)"),
    "listens on an abstract name": _attempt("s = socket.socket(1)\ns.bind(chr(0) + 'acereason')\nreturn True"),
    "kills its parent": _attempt("os.kill(os.getppid(), 9)\nreturn True"),
    "kills process 1": _attempt("os.kill(1, 9)\nreturn True"),
    "kills its neighbours": _attempt(
        "for pid in range(2, 3000):\n"
        "    if pid != os.getpid():\n"
        "        try:\n"
        "            os.kill(pid, 9)\n"
        "            return True\n"
        "        except OSError: pass"
    ),
    "traces its parent": _attempt("return libc.ptrace(16, os.getppid(), 0, 0) == 0"),
    "becomes root": _attempt("os.setuid(0)\nreturn os.getuid() == 0"),
    "makes a user namespace": _attempt("return libc.unshare(0x10000000) == 0"),
    "clones into a namespace": _attempt("return libc.syscall(56, 0x10000011, 0, 0, 0, 0) >= 0"),
    "mounts": _attempt("return libc.mount(b'none', b'.', b'tmpfs', 0, None) == 0"),
    "sets up io_uring": _attempt("return libc.syscall(425, 8, ctypes.create_string_buffer(200)) >= 0"),
    "loads BPF": _attempt("return libc.syscall(321, 0, ctypes.create_string_buffer(200), 100) >= 0"),
    "keeps memory in the kernel": _attempt("return libc.shmget(4242, 1 << 20, 0o1666) >= 0"),
    "keeps a key in the kernel": _attempt("return libc.syscall(248, b'user', b'name', b'x', 1, -3) >= 0"),
    "executes memory": _attempt("fd = os.memfd_create('x')\nos.write(fd, b'x')\nos.execve(fd, ['x'], {})\nreturn True"),
    "raises its priority": _attempt("os.nice(-5)\nreturn True"),
    "raises its limits": _attempt("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nreturn True"),
    "uses the system calls of 32 bits": _attempt("return libc.syscall(0x40000000 + 39) >= 0"),
}

PASSED = {
    "leaves a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        time.sleep(600)
    os._exit(0)
os.wait()
print(42)""",
    "leaves a daemon that ignores signals and holds the output": """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    for number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        while True: time.sleep(600)
    os._exit(0)
print(42)""",
    "leaves a child that forks on and on": """
import os, time
if os.fork() == 0:
    while True:
        if os.fork(): os._exit(0)
print(42)""",
    "leaves a child that loops": "import os\nif os.fork() == 0:\n    while True: pass\nprint(42)",
    "leaves many files": """
for index in range(500):
    try: open(f'file{index}', 'w').close()
    except OSError: break
print(42)""",
    "leaves a deep tree": """
import os
for _ in range(500):
    try: os.mkdir('d'); os.chdir('d')
    except OSError: break
print(42)""",
    "leaves closed folders": """
import os
os.makedirs('a/b')
for folder in ('a/b', 'a', '.'): os.chmod(folder, 0)
print(42)""",
    "recovers from a lack of memory": """
a = []
try:
    while True: a.append(bytearray(10 ** 8))
except MemoryError: a = None
print(42)""",
    "kills everything it may": "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nprint(42)",
    "deletes its folder": "import os, shutil; shutil.rmtree(os.getcwd(), ignore_errors=True); print(42)",
    "renames itself": "import ctypes; ctypes.CDLL(None).prctl(15, b'sshd', 0, 0, 0); print(42)",
    "replaces builtins": "import builtins, json, os, sys\nprint(42)\nsys.stdout.flush()\n"
    "builtins.exec = builtins.open = json.dumps = os._exit = lambda *a, **k: None",
}

BY_OUTCOME = {
    "time": TIME, "memory": MEMORY, "output limit": OUTPUT, "runtime error": RUNTIME, "syntax error": SYNTAX,
    "wrong": WRONG, "passed": PASSED,
}  # fmt: skip

HOSTILE = [(outcome, name, program) for outcome, group in BY_OUTCOME.items() for name, program in group.items()]
"""(outcome, name, program)"""
