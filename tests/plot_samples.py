"""What the tests of the figures share: results made of plain arrays, and what is legible."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from diffusim import store
from diffusim.alignment import compare_stored
from diffusim.comparison import Comparison

Open = Callable[..., tuple[store.Stored, Comparison]]
SIZE = (0.3, 0.1)


def header(shape: tuple[int, ...], times: np.ndarray, **changes: Any) -> store.Header:
    """Return a header of fields of a shape; ``size`` is that of the grid in m."""
    size, scenario = changes.pop("size", SIZE), changes.pop("scenario", {})
    faces = tuple(np.linspace(0.0, s, n + 1) for s, n in zip(size, shape, strict=False))
    plain: dict[str, Any] = {
        "title": "A title", "name": "concentration", "unit": "g/L", "shape": shape,
        "centres": tuple(0.5 * (f[1:] + f[:-1]) for f in faces), "faces": faces, "times": times,
        "scenario": "", "resolved": json.dumps(scenario), "digest": "d", "seed": 1, "versions": {},
    }  # fmt: skip
    return store.Header(**{**plain, **changes})


def publish(
    folder: Path,
    runs: Mapping[str, np.ndarray],
    *,
    counts: Mapping[str, np.ndarray] | None = None,
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    """Publish runs, each an array (time, x, y), the first of them the reference."""
    reference, first = next(iter(runs.items()))
    times = changes.pop("times", np.arange(len(first)) * 3600.0)
    with store.Folder.open(folder, "d") as out:
        for label, frames in runs.items():
            for i, u in enumerate(frames):
                arrays = {"concentration": u}
                if counts and label in counts:
                    arrays["counts"] = counts[label][i]
                out.journal(label).append(arrays, {}, {})
        own = {label: {"limit": "lattice", **(facts or {}).get(label, {})} for label in runs}
        return out.publish(header(first.shape[1:], times, reference=reference, **changes), own)


@contextmanager
def opener(folder: Path) -> Iterator[Open]:
    """Publish runs, open them and compare them; all files are closed at the end."""
    numbers = itertools.count()
    with ExitStack() as stack:

        def make(*runs: Any, **options: Any) -> tuple[store.Stored, Comparison]:
            path = publish(folder / f"run{next(numbers)}", *runs, **options)
            stored = stack.enter_context(store.load(path))
            return stored, compare_stored([stored])

        yield make


def random_fields(frames: int = 4, shape: tuple[int, ...] = (12, 4), seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((frames, *shape))


def assert_legible(figure: Figure) -> None:
    """Nothing reaches over the rim of a figure, and nothing of one panel over another panel."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for t in figure.findobj(lambda a: hasattr(a, "get_fontsize")) if t.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 8.0
    panels = [_boxes(axes, canvas.get_renderer()) for axes in figure.axes]
    panels += [[a.get_window_extent()] for a in (figure._suptitle, *figure.legends) if a]
    width, height = figure.bbox.size
    for box in itertools.chain(*panels):
        assert -1 <= box.x0 <= box.x1 <= width + 1
        assert -1 <= box.y0 <= box.y1 <= height + 1
    for panel, other in itertools.combinations(panels, 2):
        for a, b in itertools.product(panel, other):
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            upward = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert across < 1.5 or upward < 1.5


def _boxes(axes: Axes, renderer: Any) -> list[Bbox]:
    """Frame, axes with their labels, title and notes of a panel."""
    found = [axis.get_tightbbox(renderer) for axis in (axes.xaxis, axes.yaxis)]
    words = [text for text in (axes.title, *axes.texts) if text.get_text()]
    found += [axes.get_window_extent(), *(text.get_window_extent() for text in words)]
    return [box for box in found if box is not None]
