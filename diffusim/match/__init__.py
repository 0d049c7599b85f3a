"""Template matching: where in a picture a small picture lies, and how well it fits there.

    plain       sum over d of t(d) u(x + d)
    zero-mean   sum over d of (t(d) - mean of t) u(x + d)
    normalised  the same divided by sqrt(sum (t - mean of t)^2 sum (u - mean of u)^2), both sums and
                the mean of u over the cells that the template covers

All are correlations, convolutions with the flipped template. Plain correlation is as large as the
picture is bright; zero-mean as the picture has contrast; the normalised one is Pearson's
coefficient, from -1 to 1, whatever brightness and contrast are. The first two are linear and so can
be propagators; the last divides by the picture.

Fields are arrays u[x, y] or u[x]. The template's middle cell lies on cell x, along an even number
of cells the upper of the two in the middle. What lies beyond the rim of the picture is said by
``pad``, in one word or in one for each axis:

- "fit": nothing is asked for; scores begin where the template's lowest cell lies on cell 0,
- "zero": zeros, which count like any other values,
- "reflect": the half-sample mirror, d c b a | a b c d | d c b a,
- "wrap": the other end of a ring.

J. P. Lewis, "Fast normalized cross-correlation", Vision Interface (1995) 120-123. With a mask:
D. Padfield, "Masked object registration in the Fourier domain", IEEE Transactions on Image
Processing 21 (2012) 2706-2718.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffusim.block import Array
from diffusim.match.correlation import Kind, correlate, whitened
from diffusim.match.patches import Pad, as_odd, middle, pads
from diffusim.match.peaks import Match, peaks
from diffusim.match.standing import CLEAR, Standing, heights, in_words, standing

__all__ = [
    "CLEAR", "Kind", "Match", "Pad", "Standing", "as_odd", "correlate", "find", "heights",
    "in_words", "middle", "peaks", "standing", "whitened",
]  # fmt: skip


def find(
    image: Array,
    template: Array,
    *,
    count: int = 1,
    kind: Kind = "normalised",
    mask: Array | None = None,
    pad: Pad | Sequence[Pad] = "fit",
    whiten: float | None = None,
    apart: float | None = None,
    least: float = -math.inf,
) -> list[Match]:
    """Return the places of a picture where a template fits best.

    That they are the best does not make them matches: see `standing`. Between cells a place is the
    top of a paraboloid through the highest cell and its neighbours. It leans towards the middle of
    the cell, by up to 0.065 cells where the picture is smooth over half a cell, 0.03 over one and
    0.01 over two; and even a copy that lies on the cells is told beside them, as what surrounds it
    is not alike on all sides, by 0.005 cells for 17 x 17 cells of white noise and 0.05 for as many
    of a photograph (standard deviations).

    Parameters
    ----------
    image, template, kind, mask, pad, whiten
        As in `correlate`.
    count, least
        As in `peaks`.
    apart : float, optional
        Least distance of two matches in cells; half of the template's shorter side if not given.

    Returns
    -------
    list of Match
        From the best one down, each with the middle of the template: between two cells where it
        has an even number of them. None where all is alike: in flat patches of a picture if the
        score is normalised, and in a picture that is flat everywhere, up to a rim of zeros.

    Raises
    ------
    ValueError
        As in `correlate`.

    Examples
    --------
    >>> image = np.zeros((9, 8))
    >>> image[5, 2:4] = 1.0, 2.0
    >>> [match] = find(image, image[4:7, 1:5])
    >>> match.place, round(match.score, 9)
    ((5.0, 2.5), 1.0)
    """
    score = correlate(image, template, kind, mask=mask, pad=pad, whiten=whiten)
    size, words = np.shape(template), pads(pad, score.ndim)
    if np.size(image) > 1 and np.max(image) == np.min(image) and "zero" not in words:
        return []
    apart = max(1.0, 0.5 * min(size)) if apart is None else apart
    # A flat patch has no normalised score, and 0 in its place.
    where = score != 0.0 if kind == "normalised" else None
    rings = [word == "wrap" for word in words]
    found = peaks(score, count, apart, least=least, rings=rings, where=where)
    halves = [0.5 * (m - 1) - (0 if word == "fit" else middle(m))
              for m, word in zip(size, words, strict=True)]  # fmt: skip
    # Between cells a paraboloid may rise above what no correlation exceeds.
    most = 1.0 if kind == "normalised" else math.inf
    return [Match(tuple(x + half for x, half in zip(place, halves, strict=True)),
                  min(height, most)) for place, height in found]  # fmt: skip
