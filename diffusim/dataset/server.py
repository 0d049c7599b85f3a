"""The process from which workers are forked, started early: it loads what they need meanwhile."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext

_LIBRARIES = ("OPENBLAS", "OMP", "MKL", "NUMBA")


def start() -> BaseContext:
    """Start the server if it does not run yet, and return the context of its processes.

    Forking a process that has threads may hang the child; a server that has none forks safely.
    Where there are no such servers, processes begin from nothing.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["diffusim.dataset.shards", "diffusim.loops.moments"])
    with one_thread_each():
        forkserver.ensure_running()
    return context


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Have processes that begin here use one thread each."""
    names = [f"{library}_NUM_THREADS" for library in _LIBRARIES]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
