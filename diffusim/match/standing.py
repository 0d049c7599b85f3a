"""Which of the best places of a score stand out of it, so that they are more than the best ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.match.peaks import Match

# So many times the scatter of all places chance and edges do not reach: of noise the best of 65536
# places is near 4.5, of parts of photographs that are like each other near 5.
CLEAR = 6.0
# The standard deviation of a normal law, beside the median size of its deviations.
NORMAL = 1.482602218505602


class Standing(NamedTuple):
    """A place and how far it stands above all others.

    Parameters
    ----------
    match : Match
        The place and its score.
    height : float
        See `heights`.
    """

    match: Match
    height: float

    @property
    def clear(self) -> bool:
        """Whether it stands out: from `CLEAR` times the scatter of all places on."""
        return self.height >= CLEAR


def heights(score: Array, values: Sequence[float]) -> list[float]:
    """Return how far scores stand above all places, in times the scatter of these.

        (z - median z) / (1.4826 median |z - median z|),    z = artanh(score)

    Fisher's z of a correlation has nearly the same scatter whatever the correlation is, and medians
    do not ask how large the few best ones are. Flat patches, whose score is exactly 0, are left
    out. Where nothing scatters, what is above the median is infinitely high.

    Parameters
    ----------
    score : array
        Normalised correlation at all places, see `diffusim.match.correlate`.
    values : sequence of float
        The scores that are asked about.

    References
    ----------
    R. A. Fisher, "On the probable error of a coefficient of correlation deduced from a small
    sample", Metron 1 (1921) 3-32; P. J. Rousseeuw, C. Croux, Journal of the American Statistical
    Association 88 (1993) 1273-1283 (the median deviation).
    """
    told = np.asarray(score, dtype=float)
    told = _fisher(told[told != 0.0])
    middle = float(np.median(told)) if told.size else 0.0
    scatter = NORMAL * float(np.median(np.abs(told - middle))) if told.size else 0.0
    above = (_fisher(np.asarray(values, dtype=float)) - middle).tolist()
    if scatter == 0.0:
        return [math.copysign(math.inf, each) if each else 0.0 for each in above]
    return [each / scatter for each in above]


def _fisher(score: Array) -> Array:
    """Fisher's z, of what is perfect but for round-off as large as can be told."""
    most = 1.0 - float(np.finfo(float).eps)
    return np.asarray(np.arctanh(np.clip(score, -most, most)))


def standing(score: Array, found: Sequence[Match]) -> list[Standing]:
    """Return places of a score with how far each stands above all others.

    None stands higher than the highest cell: what a paraboloid adds between cells is no evidence.
    """
    most = float(np.max(score))
    above = heights(score, [min(match.score, most) for match in found])
    return [Standing(match, height) for match, height in zip(found, above, strict=True)]


def in_words(found: Sequence[Standing], places: Sequence[str]) -> str:
    """Say in a sentence which places of a score stand out, and that they do not where none does.

    Parameters
    ----------
    found : sequence of Standing
        From the best one down.
    places : sequence of str
        Where each of them is, in words.
    """
    if not found:
        return "no place is better than another"
    clear = [k for k, each in enumerate(found) if each.clear]
    rest = [each for each in found if not each.clear]
    if not clear:
        return (
            f"no place stands out: the best, at {places[0]}, has the correlation "
            f"{_told(found[0])}; a match has {CLEAR:g} or more"
        )
    next_best = f"; the next best is {_score(rest[0])}, no match" if rest else ""
    if len(clear) == 1:
        k = clear[0]
        return f"the template is found at {places[k]}: correlation {_told(found[k])}{next_best}"
    most = "" if rest else ", or more"
    each = "; ".join(f"{places[k]}, {_told(found[k])}" for k in clear)
    return f"the template is found at {len(clear)} places{most}: {each}{next_best}"


def _score(each: Standing) -> str:
    return f"{each.match.score:.2f}".replace("-", "\N{MINUS SIGN}")


def _told(each: Standing) -> str:
    if math.isinf(each.height):
        return f"{_score(each)}, where nothing else scatters"
    height = f"{each.height:.0f}" if each.height >= 10.0 else f"{each.height:.1f}"
    return f"{_score(each)}, {height} times the scatter"
