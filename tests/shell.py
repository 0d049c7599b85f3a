"""diffusim as a user calls it: in this process where that will do, in one of its own elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from diffusim.cli import main

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
COMMAND = str(Path(sysconfig.get_path("scripts")) / "diffusim")

TINY = """\
title: tiny
grid: {shape: [12, 10], size: [0.012 m, 0.010 m]}
propagator:
  kind: diffusion
  diffusivity: 1.5e-9 m^2/s
  walls: [{axis: x, at: 0.006 m, opens: 10 min}]
initial: {kind: halves, axis: x, values: [35.0, 0.0]}
times: {stop: 1 h, frames: 4}
methods: [ftcs, modes, {kind: walkers, particles: 1e4}]
reference: modes
seed: 1
"""

# Half a second on a slow core: long enough to be stopped amid each of its methods.
LONG = """\
title: long
grid: {shape: [128, 80], size: [0.128 m, 0.080 m]}
propagator:
  kind: diffusion
  diffusivity: 1.5e-9 m^2/s
  walls: [{axis: x, at: 0.064 m, opens: 1 h}]
initial: {kind: halves, axis: x, values: [35.0, 0.0]}
times: {stop: 40 day, frames: 13}
methods: [ftcs, {kind: walkers, particles: 5e5}]
reference: modes
seed: 7
"""


QUIET = ("--no-figures", "-q")


class Done(NamedTuple):
    """How a command ended, and its words."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        """The table on standard output, by label."""
        head, *lines = [line.split("\t") for line in self.out.splitlines()]
        return {cells[0]: dict(zip(head, cells, strict=True)) for cells in lines}


def diffusim(*words: object) -> Done:
    """Call the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words], prog_name="diffusim")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def _heard() -> None:
    # A shell that puts the tests in the background has them ignore Ctrl-C; their children must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*words: object, **options: Any) -> subprocess.Popen[str]:
    """Start the installed command in a process of its own."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [COMMAND, *map(str, words)], preexec_fn=_heard, **{**streams, **options}
    )


def shell(*words: object, env: Mapping[str, str] | None = None, **options: Any) -> Done:
    """Run the installed command in a process of its own."""
    with start(*words, env={**os.environ, **(env or {})}, **options) as process:
        out, err = process.communicate(timeout=120)
    return Done(process.returncode, out or "", err or "")


def python(code: str, *words: object, limit: float = 120) -> str:
    """Run a program in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, timeout=limit, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, text: str = TINY, name: str = "tiny.yaml") -> Path:
    """Write a scenario and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a result, by its path in the file."""
    found: dict[str, np.ndarray] = {}

    def add(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = node[()]

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def assert_same_arrays(one: Path, other: Path) -> None:
    """Compare two results bit by bit."""
    first, second = datasets(one), datasets(other)
    assert first.keys() == second.keys()
    different = [n for n in first if first[n].tobytes() != second[n].tobytes()]
    assert different == []


def results_in(folder: Path) -> list[str]:
    """Everything under a folder that could be taken for a result, or for rubbish of one."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    ends = (".hdf5", ".json", ".png", ".html", ".lock")
    return sorted(name for name in names if name.endswith(ends) or ".tmp" in name)


def refused(done: Done, *words: str, code: int = 2) -> None:
    """A refusal is a sentence on standard error, nothing else, and the right code."""
    assert "Traceback" not in done.err
    assert "unforeseen" not in done.err
    assert done.out == ""
    for word in words:
        assert word in done.err, done.err
    assert done.code == code, done
