"""Mapping of a function over many items in several processes, with the results in the order of the items."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

from rich.console import Console

from acereason.common import terminal
from acereason.processes.forkserver import CONTEXT, start_server
from acereason.processes.signals import Interrupted, ignore, shielded

Item = TypeVar("Item")
Result = TypeVar("Result")

_shared: Any = None


def in_order(
    function: Callable[[Any, Item], Result], shared: Any, items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield `function(shared, item)` of every item; `shared` is sent to each process once. One worker: this process."""
    if workers == 1:
        yield from (function(shared, item) for item in items)
        return
    start_server()
    with ProcessPoolExecutor(workers, CONTEXT, initializer=_share, initargs=(shared,)) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                # why: the first submits start the processes, which a signal must not leave half started
                with shielded():
                    pending.append(pool.submit(_call, function, item))
                # why: bounded, so that neither items nor results of a large data set pile up in memory
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            yield from (future.result() for future in pending)
        except Interrupted:
            # why: the pool would wait until its workers have finished the items that they have begun
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _share(shared: Any) -> None:
    global _shared
    ignore()
    _shared = shared


def _call(function: Callable[[Any, Any], Any], item: Any) -> Any:
    return function(_shared, item)


def progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield the items; on a terminal show a progress bar with the remaining time."""
    with terminal.progress(transient=True, disable=not Console(stderr=True).is_terminal) as bar:
        yield from bar.track(items, description=what)
