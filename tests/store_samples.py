"""What the tests of the store share: headers, frames, writers, and what must lie on the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffusim.store import Folder, Header, Journal
from diffusim.store.journal import each_frame, segments

SHAPE = (6, 4)
FRAMES = 5
LARGER = (64, 32)


def header(**changes: Any) -> Header:
    plain = Header(
        title="Salt – »gelöst«",
        name="concentration",
        unit="g/L",
        shape=SHAPE,
        centres=(np.arange(6) + 0.5, (np.arange(4) + 0.5) / 3),
        faces=(np.arange(7.0), np.arange(5) / 3),
        times=np.array([0.0, 0.1, 0.3, 1e9, 1.0e9 + 0.25]),
        scenario="title: Salt\n# ä\n" * 20_000,
        resolved=json.dumps({"grid": [6, 4]}),
        digest="d1",
        seed=2**64 - 1,
        versions={"numpy": np.__version__},
        reference="modes",
        extra={"nested": [1, None, {"a": True}], "nan": [0.1]},
    )
    return replace(plain, **changes)


def plain_header(frames: int) -> Header:
    """Return the header of `frames` fields `u` of 64 x 32 cells."""
    centres = tuple(np.arange(n) + 0.5 for n in LARGER)
    faces = tuple(np.arange(n + 1.0) for n in LARGER)
    times = np.arange(float(frames))
    return header(name="u", shape=LARGER, centres=centres, faces=faces, times=times, scenario="")


def field(index: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    u = np.random.default_rng(index).normal(size=shape)
    u[0, :3] = np.nan, -0.0, np.inf
    return u


def fill(journal: Journal, frames: int = FRAMES, start: int = 0) -> None:
    for i in range(start, frames):
        counts = np.full(SHAPE, 2**63 - 1 - i)
        journal.append({"concentration": field(i), "counts": counts}, {"u": field(i)}, {"n": i})


def published(path: Path, compress: bool = False, **changes: Any) -> Path:
    with Folder.open(path, "d1", compress=compress) as folder:
        fill(folder.journal("ftcs"))
        fill(folder.journal("modes"))
        return folder.publish(header(**changes), {"ftcs": {"seconds": 0.1}, "modes": {}})


def leftovers(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def append(journal: Journal, frames: int) -> None:
    for i in range(journal.frames + journal.pending, frames):
        journal.append(
            {"u": field(i, LARGER)}, {"u": field(i, LARGER), "n": np.array(i + 1)}, {"n": i + 1}
        )


def assert_sound(folder: Path, acknowledged: int) -> int:
    """Frames 0 ... n-1 lie there unharmed, n >= acknowledged, with the state of the last."""
    journal = Journal(folder / "segments" / "a", "d1")
    found = [(i, a["u"].tobytes()) for p in segments(journal.folder) for i, a in each_frame(p)]
    assert [i for i, _ in found] == list(range(journal.frames))
    assert all(data == field(i, LARGER).tobytes() for i, data in found)
    assert acknowledged <= journal.frames
    if journal.frames:
        assert journal.state is not None
        assert journal.state["u"].tobytes() == field(journal.frames - 1, LARGER).tobytes()
        assert journal.state["n"] == journal.facts["n"] == journal.frames
    return journal.frames


def child(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python of its own that can import this module."""
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def temporaries(path: Path) -> list[Path]:
    return [entry for entry in path.rglob(".*") if ".tmp-" in entry.name]


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid
