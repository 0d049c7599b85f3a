"""What all tests share: one random profile, and the table of figures that the proofs measure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Before anything imports numpy: spinning threads of its libraries slow a busy machine down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import proof_table  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "diffusim",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("diffusim")

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
