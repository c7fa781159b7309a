"""Enter namespaces with processes, network and files of their own, and a root of the paths that programs may see."""

import os
from pathlib import Path

from acereason.sandbox import kernel

DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
_LINKS = {
    "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
    "/dev/fd": "/proc/self/fd",
}  # fmt: skip
_SPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC


def enter_namespaces() -> bool:
    """Enter new namespaces, if the machine allows it, as root or in a user namespace; the next child is pid 1 there."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        kernel.unshare(_SPACES if uid == 0 else _SPACES | kernel.CLONE_NEWUSER)
    except OSError:
        return False
    if uid != 0:
        # why: the kernel lets an ordinary user map its group only after this
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return True


def enter_new_root(readable: list[str]) -> None:
    """Build a root of these paths, read-only, of some devices and a /proc of its own, and stay in it."""
    root = _mount_point([*readable, *DEVICES])
    # why: otherwise the mounts made here would show in the machine's own namespace
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("root", root, "tmpfs", kernel.MS_NOSUID, "mode=755,size=1m")
    for path in readable:
        _bind(path, root, kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV)
    for path in DEVICES:
        _bind(path, root)
    # why: the loader's path leads through these links, where /lib is part of /usr
    for path in ("/lib", "/lib64", "/usr/lib64"):
        if os.path.islink(path) and not os.path.lexists(root + path):
            os.symlink(os.readlink(path), root + path)
    _mount_proc(root)
    os.chroot(root)
    os.chdir("/")


def _mount_point(paths: list[str]) -> str:
    """Return a folder to build the root on, which hides none of the paths."""
    # why: Python's own files may lie in any of these: a virtual environment under /tmp, for one
    folders = ["/mnt", "/media", "/srv", "/var/tmp", "/tmp"]
    return next(
        folder
        for folder in folders
        if os.path.isdir(folder) and not any(path == folder or path.startswith(folder + "/") for path in paths)
    )


def _bind(path: str, root: str, flags: int = 0) -> None:
    target = root + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    kernel.mount(path, target, flags=kernel.MS_BIND)
    if flags:
        # why: in a user namespace the kernel refuses a remount that would drop flags of the mount below
        kept = os.statvfs(path).f_flag & (kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        kernel.mount("none", target, flags=kernel.MS_BIND | kernel.MS_REMOUNT | flags | kept)


def _mount_proc(root: str) -> None:
    """Mount a /proc of the namespace's processes, if the machine allows it (not in a container that masks its own)."""
    os.mkdir(root + "/proc")
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    try:
        kernel.mount("proc", root + "/proc", "proc", flags, "subset=pid,hidepid=invisible")
    except OSError:
        return
    for path, target in _LINKS.items():
        os.symlink(target, root + path)
