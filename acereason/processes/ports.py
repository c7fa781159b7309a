"""Choice of a TCP port that will still be free when a server listens at it seconds later."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# why: ports below are those of known services
_LOWEST, _HIGHEST = 10000, 65535
_TRIES = 100


def lasting() -> int:
    """Return a free port outside the range from which the system gives ports to connections.

    Raises:
        OSError: no free port was found.
    """
    first, last = _given()
    ports = [*range(_LOWEST, min(first, _HIGHEST + 1)), *range(max(last + 1, _LOWEST), _HIGHEST + 1)]
    # why: if the system's range leaves no port, 0 asks the system for any
    ports = ports or [0]
    # why: at random, since two runs may start at the same moment; not by the seed, which they may share
    for port in random.SystemRandom().sample(ports, min(_TRIES, len(ports))):
        if free := _free(port):
            return free
    raise OSError(f"no free TCP port among {_TRIES} from {_LOWEST} on")


def _given() -> tuple[int, int]:
    """Return the first and last port that the system gives to connections without one of their own (ip(7))."""
    try:
        first, last = map(int, _RANGE.read_text().split())
    # why: only Linux has the file; elsewhere the range is that of RFC 6335
    except (OSError, ValueError):
        return 49152, 65535
    return first, last


def _free(port: int) -> int:
    """Return the port, or any free one for 0; 0 if it is taken."""
    with socket.socket() as listener:
        try:
            listener.bind(("", port))
        except OSError:
            return 0
        return int(listener.getsockname()[1])
