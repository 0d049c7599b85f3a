"""What the machine has, and what a run will need of it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from diffusim.grid import Grid
from diffusim.methods import Method
from diffusim.runs import Course

# Peak resident memory, measured: interpreter and libraries; compiled loops; and what the figures
# and the report take once the run's own arrays are gone.
PROGRAM, LOOPS, FIGURES = 90 * 2**20, 104 * 2**20, 140 * 2**20
# Figures draw a panel of all cells for some moments of each run; of many cells no more are seen.
OF_PANELS, MOST_IN_PANELS = 1600, 2**16
# Frames wait for the disk until there are so many bytes or seconds of them; on their way there they
# exist three times (as arrays, as a file being built, as its bytes).
WAITING_BYTES, WAITING_SECONDS, WAITING_COPIES = 64 * 2**20, 2.0, 3
# A state exists before and after a step, as the one to go on from, and on its way to the disk.
STATE_COPIES = 4.5
# A segment and its plan, measured.
SEGMENT = 550
USABLE = 0.8


def memory_available() -> int | None:
    """Bytes that may be used: what is free, or a control group's limit where that is less."""
    found = []
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found.append(pages)
    except (AttributeError, ValueError, OSError):
        return None
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        found = [int(lines["MemAvailable"].split()[0]) * 1024] if "MemAvailable" in lines else found
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup") / name
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            found.append(int(text))
    return min(found)


def memory_needed(courses: Iterable[Course]) -> int:
    """Bytes that a run will need at its peak: one method at a time, and the frames on their way."""
    courses = list(courses)
    most, kept = 0, 0
    for course in courses:
        # A wave's numbers are twice as long, its fields to work in too.
        twice = 2 if course.propagator.waves else 1
        state = twice * course.method.memory(course.grid)
        waiting = int(WAITING_COPIES * _waiting(course))
        # Of several channels one at a time is worked on, and its state exists beside all others'.
        others = int(((course.channels - 1) * STATE_COPIES + 1) * state) if course.channels else 0
        work = twice * _work(course.method, course.grid)
        most = max(most, work + waiting + others - state)
        kept += max(1, course.channels) * state
    plans = SEGMENT * sum(len(course.segments) for course in courses)
    cells = min(MOST_IN_PANELS, max((course.grid.cells for course in courses), default=0))
    return PROGRAM + LOOPS + plans + max(FIGURES + OF_PANELS * cells, most + kept)


def memory_at_least(methods: Iterable[Method], grid: Grid) -> int:
    """Bytes that a run will surely need, as known before anything is planned."""
    return PROGRAM + max(_work(method, grid) for method in methods)


def result_size(courses: Iterable[Course]) -> int:
    """Bytes of the frames and records that all courses will leave."""
    return sum(_frame(course) * len(course.times) + _records(course) for course in courses)


def _work(method: Method, grid: Grid) -> int:
    return int(8 * method.fields * grid.cells + STATE_COPIES * method.memory(grid))


def _frame(course: Course) -> int:
    """Bytes of one frame: a field, and what is stored beside it."""
    arrays = 2 if course.method.statistical else 1
    arrays += course.propagator.beside
    return 8 * course.grid.cells * max(1, course.channels) * arrays


def _records(course: Course) -> int:
    """Bytes of all records."""
    recording = course.recording
    return recording.size * len(recording.times) if recording is not None else 0


def _waiting(course: Course) -> float:
    """Bytes of frames, each with the records before it, that gather before they are written."""
    count = len(course.times)
    frame = _frame(course) + _records(course) / count
    in_time = 1.0 + WAITING_SECONDS * count / max(course.seconds, 1e-9)
    return frame * min(count, in_time, math.ceil(WAITING_BYTES / frame))


def in_words(size: float) -> str:
    """Say a number of bytes as people do.

    Examples
    --------
    >>> in_words(3 * 2**30)
    '3.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
