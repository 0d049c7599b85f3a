"""Figures of a stored result, drawn from the file alone.

Fields, errors, profiles, histories and spectra; and, where there is such a thing to show, positions
drawn, chance against its law, spreading, rings and paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from matplotlib.figure import Figure

from diffusim import atomic, pictures, store, style
from diffusim.alignment import compare_stored
from diffusim.block import Invalid
from diffusim.comparison import Comparison
from diffusim.phrases import guess
from diffusim.plots.chance import chance
from diffusim.plots.filter import filter
from diffusim.plots.fourier import fourier
from diffusim.plots.history import history
from diffusim.plots.maps import error, fields
from diffusim.plots.match import match
from diffusim.plots.paths import paths
from diffusim.plots.positions import positions
from diffusim.plots.precision import precision
from diffusim.plots.profile import across, profile
from diffusim.plots.radial import radial
from diffusim.plots.records import records
from diffusim.plots.series import series
from diffusim.plots.spectrum import spectrum
from diffusim.plots.spread import spread, spread_of

__all__ = [
    "across", "chance", "draw", "error", "fields", "filter", "fourier", "history", "match",
    "paths", "positions", "precision", "profile", "radial", "records", "series", "spectrum",
    "spread", "spread_of",
]  # fmt: skip

Picture = Callable[[store.Stored, Comparison], Figure | None]
PICTURES: tuple[Picture, ...] = (
    fields, filter, match, series, fourier, error, profile, across, history, records, precision,
    positions, chance, spread, radial, spectrum, paths,
)  # fmt: skip


# By this, written into the file, a picture of several runs is known to be replaceable.
TITLE = "Runs spreading, drawn by diffusim show"


def draw_together(files: Sequence[Path], path: Path) -> Path:
    """Draw how the fields of several stored results spread, in one picture.

    Parameters
    ----------
    files : sequence of Path
        The results; their runs are named after their folders.
    path : Path
        Where the picture goes, a PNG file.

    Raises
    ------
    Unsupported
        When their times are counted differently, or a start is not compact.
    Invalid
        When what has the picture's name is no picture of this kind and shall not be lost.
    StoreError
        When a result cannot be read, or the picture cannot be written.
    """
    pictures.must_be_free(path, TITLE)
    with ExitStack() as stack:
        figure = spread_of([stack.enter_context(store.load(Path(file))) for file in files])
    atomic.make_folder(path.parent)
    return store.write_bytes(path.parent, path.name, style.png(figure, TITLE))


def draw(
    path: Path,
    folder: Path | None = None,
    *,
    comparison: Comparison | None = None,
    only: Sequence[str] = (),
) -> list[Path]:
    """Draw all figures of a stored result, or some of them.

    Parameters
    ----------
    path : Path
        The result, ``run.hdf5``.
    folder : Path, optional
        Where the pictures go; ``figures`` beside the result if not given.
    comparison : Comparison, optional
        Of this very result, where it is known already; that spares reading every frame again.
    only : sequence of str
        Names of the figures to draw, such as ``fields``; the others are left as they are.

    Returns
    -------
    list of Path
        The pictures: ``fields.png``, ``error.png`` (where there is something to compare),
        ``profile.png``, ``history.png`` (where a total is kept or there is something to compare)
        and ``spectrum.png`` (but on radial grids); ``across.png``
        where a field differs along both axes, ``positions.png`` where positions were drawn,
        ``chance.png`` where chance made a field, ``spread.png`` and ``radial.png`` of a compact
        start, ``fourier.png`` of a filter or a kernel on a picture, ``filter.png`` of a filter,
        ``match.png`` of a template, ``series.png`` of a series in time and ``paths.png`` where
        particles were followed.

    Raises
    ------
    Invalid
        When there is no figure of a name.
    StoreError
        When the result cannot be read, or a picture cannot be written.
    """
    chosen = _chosen(only)
    target = Path(path).parent / "figures" if folder is None else Path(folder)
    written = []
    with store.load(Path(path)) as stored:
        comparison = comparison or compare_stored([stored])
        atomic.make_folder(target)
        for picture in chosen:
            name = f"{picture.__name__}.png"
            figure = picture(stored, comparison)
            if figure is not None:
                data = style.png(figure, pictures.FIGURE, stored.digest)
                written.append(store.write_bytes(target, name, data))
                continue
            # A picture of an earlier run must not be taken for one of this run.
            with atomic.in_words("Removing", target / name):
                (target / name).unlink(missing_ok=True)
    return written


def _chosen(only: Sequence[str]) -> list[Picture]:
    """The figures of these names, in the order in which all are drawn; of no name all."""
    known = {picture.__name__: picture for picture in PICTURES}
    for name in only:
        if name not in known:
            raise Invalid(f"there is no figure '{name}'; there are {', '.join(known)}"
                          f"{guess(name, [*known])}")  # fmt: skip
    return [picture for name, picture in known.items() if name in only or not only]
