"""A report: one page of a run or a comparison that holds everything it shows.

Verdicts, a slider through the frames with maps of differences and profiles, figures, the ledger of
the content and the scenario. The page asks for nothing from anywhere, runs one script of its own
and is written from stored frames alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from diffusim import atomic, store, style
from diffusim.alignment import Aligned
from diffusim.alignment.labels import in_order
from diffusim.comparison import Comparison, Trajectory
from diffusim.pictures import MARK
from diffusim.pictures import REPORT as NAME
from diffusim.pictures import must_be_free_for_page as must_be_free
from diffusim.plots.precision import precision
from diffusim.report import embedded
from diffusim.report.levels import levels
from diffusim.report.page import assembled

__all__ = ["MARK", "NAME", "anew", "beside", "must_be_free", "of_comparison", "write"]

# Letters of the whole page, and what its frames have at least when figures take much.
LARGEST, LEAST = 20_000_000, 4_000_000
# What tables, scenario and script take beside frames and figures.
_REST = 1_000_000


def write(
    header: store.Header,
    runs: Mapping[str, Trajectory],
    comparison: Comparison,
    path: Path,
    *,
    figures: Mapping[str, Path | bytes] | None = None,
    parts: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    largest: int = LARGEST,
) -> Path:
    """Write a report.

    Parameters
    ----------
    header : Header
        What the runs are of: grid, times, names and units.
    runs : mapping
        The runs by label; a frame of each is in memory at a time.
    comparison : Comparison
        Of these runs, with a row for each.
    path : Path
        Where the page goes, an HTML file.
    figures : mapping, optional
        PNG files, or their bytes, by name.
    parts : mapping, optional
        Where the time went, in s.
    notes : sequence of str
        Sentences about the medium or the comparison.
    largest : int
        Bytes of the page. Beyond that frames are left out, and the page says so.

    Raises
    ------
    Invalid
        When what has that name is no report and shall not be lost.
    StoreError
        When frames cannot be read, or the page cannot be written.
    """
    must_be_free(path)
    known = _with_precision(header, comparison, figures or {})
    # Packing lets go of the interpreter, so that figures are packed while frames are read.
    with ThreadPoolExecutor(1) as threads:
        waiting, taken = embedded.packed(known, threads)
        room = max(min(LEAST, largest // 2), largest - taken - _REST)
        frames = levels(header, runs, comparison, room)
        ready = [picture.result() for picture in waiting]
    page = assembled(header, runs, comparison, frames, ready, parts or {}, notes, path.name)
    atomic.make_folder(path.parent)
    return store.write_text(path.parent, path.name, page)


def _with_precision(
    header: store.Header, comparison: Comparison, figures: Mapping[str, Path | bytes]
) -> Mapping[str, Path | bytes]:
    if "precision" in figures:
        return figures
    drawn = precision(header, comparison)
    return figures if drawn is None else {**figures, "precision": style.png(drawn)}


def of_comparison(
    aligned: Aligned, comparison: Comparison, path: Path, notes: Sequence[str] = ()
) -> Path:
    """Write the report of a comparison; of a single result with the figures beside that.

    Raises
    ------
    Invalid
        When what has that name is no report and shall not be lost.
    StoreError
        When frames cannot be read, or the page cannot be written.
    """
    header, figures = aligned.header, {}
    if isinstance(header, store.Stored):
        figures = embedded.in_folder(header.path.parent, header.digest)
    return write(header, aligned.runs, comparison, path, figures=figures, notes=notes)


def anew(picture: Path) -> str:
    """Return the command that writes the report again, with a picture of a study in it.

    Parameters
    ----------
    picture : Path
        Of convergence; nothing is returned unless a result of the same scenario is beside it.

    Raises
    ------
    StoreError
        When there is a result that cannot be read.
    """
    result = picture.parent / store.RESULT
    if not result.exists():
        return ""
    with store.load(result) as stored:
        known = embedded.in_folder(picture.parent, stored.digest)
    if picture not in known.values():
        return ""
    return shlex.join(["diffusim", "compare", f"{result}", "--report", f"{result.with_name(NAME)}"])


def beside(
    path: Path,
    comparison: Comparison,
    parts: Mapping[str, float] | None = None,
    drawn: Sequence[Path] | None = None,
) -> Path:
    """Write the report of a stored result beside it, with its figures.

    Parameters
    ----------
    path : Path
        The result, ``run.hdf5``.
    comparison : Comparison
        Of this very result.
    parts : mapping, optional
        Where the time went, in s.
    drawn : sequence of Path, optional
        The figures that were drawn of it, beside those of its convergence; those that are there if
        not given.

    Raises
    ------
    Invalid
        When there is a page of that name that is no report.
    StoreError
        When the result cannot be read, or the page cannot be written.
    """
    path = Path(path)
    with store.load(path) as stored:
        figures = embedded.in_folder(path.parent, stored.digest)
        if drawn is not None:
            figures = {name: place for name, place in figures.items()
                       if place.parent == path.parent}  # fmt: skip
            figures |= {place.stem: place for place in drawn}
        return write(
            stored, {run.label: run for run in in_order(stored)}, comparison,
            path.parent / NAME, figures=figures, parts=parts,
            notes=[str(note) for note in stored.extra.get("notes", [])],
        )  # fmt: skip
