"""Figures that go into the page: their order, their sentences, and as few bytes as they need."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from html import escape
from pathlib import Path
from typing import NamedTuple

from diffusim import pictures

# Letters of text that figures may take; the rest are named instead.
MOST = 6_000_000
# Pixels of a page for each pixel of a figure, which leaves some to finer screens.
SHOWN = 0.65
CAPTIONS = {
    "fields": "The fields of all runs at a few moments, on one scale.",
    "filter": "The mask over the waves, the same as a kernel, and what is kept of the field by it.",
    "match": "Where a template fits best: its answer, and that divided by each patch's contrast.",
    "series": "The series before and after, what weighs its past, its spectrum and correlations.",
    "fourier": "The waves of the field, by length and direction, and the one that stands out.",
    "error": "Each run minus the reference of its own limit, at its worst moment and at the end.",
    "profile": "Profiles along a line, and how far they are from what they should be.",
    "across": "Profiles across, along the other axis.",
    "radial": "Means over rings round the start, and their logarithm against the squared radius.",
    "spectrum": "The power of fields and errors at each wave number.",
    "history": "How the total changed, and how the error grew beside the one that theory expects.",
    "precision": "The error of each run against the seconds that it took.",
    "chance": "Counts against their law: what chance explains, and what it does not.",
    "positions": "Positions that were drawn, over the density that they are drawn from.",
    "spread": "How far the content has spread, against the law of it.",
    "paths": "Paths of single particles.",
    "records": "What was recorded between the frames.",
    "converge-dt": "The error as the steps are made shorter.",
    "converge-grid": "The error as the cells are made smaller.",
    "converge-particles": "The error as there are more particles.",
}


class Picture(NamedTuple):
    """A figure as a page holds it; without data where its file cannot be read."""

    name: str
    kind: str
    data: bytes
    size: tuple[int, int]


def packed(
    figures: Mapping[str, Path | bytes], threads: Executor
) -> tuple[list[Future[Picture]], int]:
    """Begin to pack figures, PNG files or their bytes, in the order of the page.

    Returns
    -------
    list of Future, int
        The figures, and how many letters they take at most.
    """
    order = list(CAPTIONS)
    names = sorted(figures, key=lambda n: (order.index(n) if n in order else len(order), n))
    read = {name: _bytes(figures[name]) for name in names}
    most = sum(4 * len(data) // 3 for data in read.values())
    return [threads.submit(_picture, name, read[name]) for name in names], min(MOST, most)


def _bytes(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError:
        return b""


def _picture(name: str, data: bytes) -> Picture:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            size, stream = image.size, io.BytesIO()
            image.convert("RGB").save(stream, "WEBP", lossless=True, method=1, quality=20)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        # One figure that was damaged must not take the page away.
        return Picture(name, "", b"", (0, 0))
    smaller = len(stream.getvalue()) < len(data)
    return Picture(name, "webp" if smaller else "png", stream.getvalue() if smaller else data, size)


def section(found: list[Picture]) -> str:
    """Return the figures as HTML, as many as there is room for."""
    left, lines, named = MOST, [], []
    unread = [f"{picture.name}.png" for picture in found if not picture.data]
    for picture in filter(lambda each: each.data, found):
        letters = 4 * len(picture.data) // 3
        if letters > left:
            named.append(f"{picture.name}.png")
            continue
        left -= letters
        lines.append(_figure(picture))
    if named:
        lines.append(f"<p>Too large for this page: {escape(', '.join(named))}.</p>")
    if unread:
        lines.append(f"<p>No PNG file that can be read: {escape(', '.join(unread))}.</p>")
    return "\n".join(lines)


def _figure(picture: Picture) -> str:
    caption = escape(CAPTIONS.get(picture.name, f"{picture.name.replace('-', ' ')}."))
    text = base64.b64encode(picture.data).decode("ascii")
    width, height = (round(SHOWN * pixels) for pixels in picture.size)
    return (
        f'<figure class="drawn"><img alt="{caption}" width="{width}" height="{height}" '
        f'src="data:image/{picture.kind};base64,{text}"><figcaption>{caption}</figcaption></figure>'
    )


def in_folder(folder: Path, digest: str) -> dict[str, Path]:
    """Return the figures beside a result: those of a run, and those of its convergence.

    Parameters
    ----------
    digest : str
        Of the scenario. Only what was drawn of this very one is taken, not what another run left.
    """
    places = [*folder.glob("figures/*.png"), *folder.glob("converge-*.png")]
    return {
        path.stem: path
        for path in sorted(places)
        if path.stem in CAPTIONS and pictures.digest_of(path) == digest
    }
