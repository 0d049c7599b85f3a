"""Who makes the shards: this process, processes of its own, somebody's executor, or a cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusim.atomic import StoreError
from diffusim.dataset import server
from diffusim.dataset.planning import Job

# A process that was killed is waited for so long, in seconds, before its leftovers are cleared up.
_DEATH = 1.0


@dataclass(eq=False)
class Hands:
    """An executor, how many tasks it does at a time, and what takes its place when it breaks.

    Without an executor the work is done in this process.
    """

    executor: Executor | None
    count: int
    words: str
    again: Callable[[], Executor] | None = None

    def renew(self) -> None:
        """Take another executor in the place of a broken one.

        Raises
        ------
        StoreError
            It belongs to somebody else, who must do that.
        """
        if self.again is None:
            raise StoreError("The executor broke: a worker of it died; go on with --resume.")
        self.executor = self.again()


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gathered(
    stack: ExitStack,
    job: Job,
    note: Callable[[str], None],
    workers: int,
    executor: Executor | None,
    scheduler: str | None,
) -> Hands:
    """Return who does the work; they are dismissed when the stack is closed.

    Raises
    ------
    StoreError
        There is no such scheduler, or what talks to it is not installed.
    """
    if scheduler is not None:
        return _cluster(stack, scheduler, note)
    if executor is not None:
        known = getattr(executor, "_max_workers", None)
        count = known if isinstance(known, int) else workers
        return Hands(executor, count, f"{count} workers of a given executor")
    if workers <= 1:
        return Hands(None, 1, "one process")
    server.start()
    _warm(job)
    pools: list[ProcessPoolExecutor] = []

    def again() -> Executor:
        _dismiss_all(pools)
        pools.append(_pool(workers))
        return pools[0]

    stack.callback(_dismiss_all, pools)
    return Hands(again(), workers, f"{workers} processes", again)


# --- processes ----------------------------------------------------------------------------------


def _warm(job: Job) -> None:
    """Compile what is needed once, for all processes: they find it in the cache."""
    from diffusim.dataset.shards import maker_of, moments_of

    with contextlib.suppress(Exception):  # whatever is wrong is told where it happens again
        made = maker_of(job).make(0)
        moments_of(job.header, made.frames, made.constants)


def _pool(count: int) -> ProcessPoolExecutor:
    context = server.start()
    with server.one_thread_each():
        return ProcessPoolExecutor(count, mp_context=context, initializer=begin_worker)


def begin_worker() -> None:
    """Leave signals to the process that started this one, and end when that one does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _dismiss_all(pools: list[ProcessPoolExecutor]) -> None:
    while pools:
        _dismiss(pools.pop())


def _dismiss(pool: ProcessPoolExecutor) -> None:
    """End a pool at once; what its processes were writing has no name yet."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
    for process in processes:
        process.join(_DEATH)


# --- a cluster ----------------------------------------------------------------------------------


def _cluster(stack: ExitStack, scheduler: str, note: Callable[[str], None]) -> Hands:
    client = _client(scheduler)
    stack.callback(client.close)
    note(f"dashboard: {client.dashboard_link}")
    threads = sum(client.nthreads().values())
    if not threads:
        raise StoreError(f"The scheduler {scheduler} has no workers; start some and try again.")
    # A shard is not worth keeping in a cluster's memory under a name of its contents.
    executor = client.get_executor(pure=False)
    return Hands(executor, threads, f"{threads} threads of a Dask cluster")


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise StoreError(
            "Dask is not installed; `pip install 'diffusim[cluster]'` brings it, --workers and "
            "--shard do without."
        ) from None
    try:
        if "://" not in scheduler and Path(scheduler).is_file():
            return Client(scheduler_file=scheduler, set_as_default=False)
        return Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise StoreError(f"The scheduler {scheduler} cannot be reached: {reason}.") from None
