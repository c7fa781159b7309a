"""A TCP port that is still free when somebody listens at it seconds later."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10000, 65535  # below are those of known services
_TRIES = 100


def lasting() -> int:
    """A port that is free, outside those that the system gives to whoever asks for any.

    Raises:
        OSError: none was found.
    """
    first, last = _given()
    ports = [*range(_LOWEST, min(first, _HIGHEST + 1)), *range(max(last + 1, _LOWEST), _HIGHEST + 1)]
    ports = ports or [0]  # why: where the system gives all of them, one of those
    for port in random.SystemRandom().sample(ports, min(_TRIES, len(ports))):  # two runs start at the same moment
        if free := _free(port):
            return free
    raise OSError(f"no free TCP port among {_TRIES} from {_LOWEST} on")


def _given() -> tuple[int, int]:
    """First and last port of connections that don't ask for one (ip(7))."""
    try:
        first, last = map(int, _RANGE.read_text().split())
    except (OSError, ValueError):  # not Linux: the range of RFC 6335
        return 49152, 65535
    return first, last


def _free(port: int) -> int:
    """Its number, or that of any free one for 0; 0 where somebody is there."""
    with socket.socket() as listener:
        try:
            listener.bind(("", port))
        except OSError:
            return 0
        return int(listener.getsockname()[1])
