"""What all tests share: one random profile, a store without child processes, a table of figures."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

# Before anything imports numpy: spinning threads of its libraries slow a busy machine down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import proof_table  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from diffusim import atomic  # noqa: E402

settings.register_profile(
    "diffusim",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("diffusim")

IN_CHILD = atomic.in_child


def in_this_process(module: str, job: str) -> tuple[str, str]:
    """Do what a child process of the store does, without the quarter of a second it takes to begin.

    Tests of the store, of crashes and of signals are marked ``child`` and have the real one.
    """
    from diffusim.store import __main__ as store

    assert module == "diffusim.store"
    given, out, err = sys.stdin, io.StringIO(), io.StringIO()
    # A child gives up once it is nobody's child any more.
    sys.stdin = io.StringIO(json.dumps({**json.loads(job), "parent": os.getppid()}))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = store.main()
    finally:
        sys.stdin = given
    return (out.getvalue(), "") if code == 0 else ("", err.getvalue().strip().splitlines()[-1])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    real = any(item.get_closest_marker(name) for name in ("child", "proof"))
    atomic.in_child = IN_CHILD if real else in_this_process


def pytest_collection_finish() -> None:
    # What was collected stays to the end, so the garbage collector need not go through it again.
    gc.collect()
    gc.freeze()


FIGURES = pytest.StashKey[proof_table.ProofTable]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Record a measured number: ``figure("mass drift", drift, unit="", limit="< 1e-13")``.

    The numbers of a session with proofs are printed at its end and written to ``outputs/proof.md``
    and ``outputs/proof.json``.
    """

    def record(name: str, value: float | int | str, unit: str = "", limit: str = "") -> None:
        # user_properties travel with the report, also from the worker processes of pytest-xdist.
        entry = {"figure": name, "value": proof_table.plain(value), "unit": unit, "limit": limit}
        request.node.user_properties.append((proof_table.PROPERTY, entry))

    return record


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[FIGURES] = table = proof_table.ProofTable()
        config.pluginmanager.register(table, "diffusim-proof-table")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash[FIGURES]
    if not table.proofs:
        return
    folder = Path(config.rootpath) / "outputs"
    written = table.write(folder)
    terminalreporter.section("figures measured by the proofs")
    terminalreporter.write_line(table.as_markdown())
    terminalreporter.write_line("written to " + ", ".join(path.as_posix() for path in written))
