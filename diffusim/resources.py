"""What the machine has, and what a run will need of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from diffusim.runs import Course

# Interpreter, compiled loops and libraries, before any field; measured as peak resident memory.
PROGRAM = 230 * 2**20
# Frames waiting for the disk, as image and as arrays.
FRAMES_WAITING = 2 * 64 * 2**20
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
    most, kept = 0, 0
    for course in courses:
        frame = 8 * course.grid.cells * (2 if course.method.statistical else 1)
        waiting = min(FRAMES_WAITING, 2 * frame * len(course.times))
        most = max(most, course.method.memory(course.grid) + waiting)
        kept = max(kept, 8 * course.grid.cells)
    return PROGRAM + most + kept


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
