"""Figures of a stored result: fields, errors, profiles and histories; drawn from the file alone."""

from __future__ import annotations

from pathlib import Path

from diffusim import atomic, store, style
from diffusim.comparison import Comparison
from diffusim.conduct import compare_stored
from diffusim.plots.history import history
from diffusim.plots.maps import error, fields
from diffusim.plots.positions import positions
from diffusim.plots.profile import profile

__all__ = ["draw", "error", "fields", "history", "positions", "profile"]


def draw(
    path: Path, folder: Path | None = None, *, comparison: Comparison | None = None
) -> list[Path]:
    """Draw all figures of a stored result.

    Parameters
    ----------
    path : Path
        The result, ``run.hdf5``.
    folder : Path, optional
        Where the pictures go; ``figures`` beside the result if not given.
    comparison : Comparison, optional
        Of this very result, where it is known already; that spares reading every frame again.

    Returns
    -------
    list of Path
        The pictures: ``fields.png``, ``error.png`` (where there is something to compare),
        ``profile.png`` and ``history.png``.

    Raises
    ------
    StoreError
        When the result cannot be read, or a picture cannot be written.
    """
    target = Path(path).parent / "figures" if folder is None else Path(folder)
    written = []
    with store.load(Path(path)) as stored:
        comparison = comparison or compare_stored([stored])
        atomic.make_folder(target)
        for picture in (fields, error, profile, history, positions):
            name = f"{picture.__name__}.png"
            figure = picture(stored, comparison)
            if figure is not None:
                written.append(store.write_bytes(target, name, style.png(figure)))
                continue
            # A picture of an earlier run must not be taken for one of this run.
            with atomic.in_words("Removing", target / name):
                (target / name).unlink(missing_ok=True)
    return written
