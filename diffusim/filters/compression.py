"""Compression: a field told by a part of its modes, and how far that is from the field.

In orthonormal modes the squares add up to those of the field (Parseval), so the error is known from
the coefficients that are left out, without any transform back:

    |u - v|^2 = sum over modes left out of |c|^2.

Numbers are counted fairly. Between mirrors each mode is one real number. Round a ring the modes of
wave numbers k and -k are conjugate, one complex number, so two real ones; a mode that is its own
partner is one. So a field of N cells always has N numbers, as many as it has modes.

What storing takes: the numbers kept, 64 bits each unless told otherwise. A disc of waves needs
nothing beside its radius. Of the largest ones it must be told which they are: by a list of their
places, or by one bit for each mode (partners are one), whichever is shorter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.spectrum import coefficients, field_of, mode_numbers

Rule = Literal["disc", "largest"]
# Of squares of wave numbers that should be equal, by which round-off may part them.
SAME = 1e-9
BITS = 64


class Compressed(NamedTuple):
    """A field told by a part of its modes.

    Parameters
    ----------
    field : array
        What they tell, of the field's shape.
    modes : array of bool
        Which they are, in the order of `diffusim.spectrum.coefficients`.
    kept : int
        How many real numbers they are.
    ratio : float
        That as a part of the cells.
    stored : float
        What storing them takes as a part of what the cells take, places included.
    error : float
        Relative error in the norm L2, |u - v| / |u|.
    psnr : float
        Peak signal-to-noise ratio in dB, 10 log10(peak^2 / mean square error).
    peak : float
        The peak of that.
    """

    field: Array
    modes: Array
    kept: int
    ratio: float
    stored: float
    error: float
    psnr: float
    peak: float


class Price(NamedTuple):
    """What it costs that a field is told by some of its modes, as in `Compressed`."""

    ratio: float
    error: float
    psnr: float


class Course(NamedTuple):
    """How compression goes with what is kept: arrays, as in `Compressed`."""

    kept: Array
    ratio: Array
    stored: Array
    error: Array
    psnr: Array


class Curve(NamedTuple):
    """Error against ratio by both rules, and the peak of the PSNR."""

    disc: Course
    largest: Course
    peak: float


def compress(
    u: Array, keep: float, grid: Grid, rule: Rule = "largest", *, peak: float | None = None,
    bits: int = BITS,
) -> Compressed:  # fmt: skip
    """Keep a part of the modes of a field, those of the longest waves or the largest ones.

    Parameters
    ----------
    u : array
        The field, without channels, of the grid's shape.
    keep : float
        The part of the real numbers that is kept, above 0 and up to 1. A disc holds all waves of a
        length or none, so it may be somewhat smaller.
    grid : Grid
        A box.
    rule : {"disc", "largest"}
        Which are kept.
    peak : float, optional
        Of the PSNR, in the field's unit; the span of the field if not given.
    bits : int
        Of one stored number, one at least.

    Returns
    -------
    Compressed
        What is left, and at what price.

    Raises
    ------
    ValueError
        When the part, the rule, the peak or the bits are none, or the field is not of the grid's
        shape or holds anything but finite real numbers.

    References
    ----------
    G. Strang, "The discrete cosine transform", SIAM Review 41 (1999) 135-147; S. Mallat, *A Wavelet
    Tour of Signal Processing*, 3rd ed. (2009), section 9.2 (the largest ones are the best).
    """
    if rule not in get_args(Rule):
        raise ValueError(f"expected 'disc' or 'largest' as the rule, found {rule!r}")
    _asked(peak, bits)
    ranking = Ranking(u, grid)
    modes = ranking.modes(rule, ranking.count(keep))
    field = field_of(np.where(modes, coefficients(u, grid), 0.0), grid)
    course = ranking.course(rule, np.array([keep]), peak, bits)
    ratio, stored, error, noise = (float(part[0]) for part in course[1:])
    most = ranking.span if peak is None else peak
    return Compressed(field, modes, int(course.kept[0]), ratio, stored, error, noise, most)


def curve(
    u: Array, ratios: Sequence[float] | Array, grid: Grid, *, peak: float | None = None,
    bits: int = BITS,
) -> Curve:  # fmt: skip
    """Return the error of both rules at each of some ratios, by Parseval's theorem alone.

    The largest are never worse than a disc of as many numbers, nor than any other choice.

    Parameters
    ----------
    u : array
        The field, without channels, of the grid's shape.
    ratios : sequence of float
        Parts of the real numbers that are kept, above 0 and up to 1.
    grid, peak, bits
        As in `compress`.

    Raises
    ------
    ValueError
        As in `compress`.
    """
    _asked(peak, bits)
    ranking, keep = Ranking(u, grid), np.asarray(ratios, dtype=float)
    disc = ranking.course("disc", keep, peak, bits)
    best = ranking.course("largest", keep, peak, bits)
    return Curve(disc, best, ranking.span if peak is None else peak)


def _asked(peak: float | None, bits: int) -> None:
    if peak is not None and not 0.0 < peak < math.inf:
        raise ValueError(f"expected a peak above 0 in the field's unit, found {peak!r}")
    if not (1 <= bits < math.inf and bits == int(bits)):
        raise ValueError(f"expected a whole number of bits for a number, one at least, not {bits}")


def largest(u: Array, keep: float, grid: Grid) -> Array:
    """Return which modes are the largest part of a field, in the order of its coefficients.

    Parameters and errors are those of `compress`.
    """
    ranking = Ranking(u, grid)
    return ranking.modes("largest", ranking.count(keep))


def price(u: Array, modes: Array, grid: Grid) -> Price:
    """Return what it costs that a field is told by these of its modes, its span being the peak.

    Parameters
    ----------
    u : array
        The field, without channels, of the grid's shape.
    modes : array of bool
        Those that are kept, in the order of `diffusim.spectrum.coefficients`.
    grid : Grid
        A box.
    """
    power = np.abs(coefficients(u, grid)) ** 2
    total, left = float(np.sum(power)), float(np.sum(power[~modes]))
    error = math.sqrt(left / total) if total else 0.0
    noise = float(psnr(np.asarray(left / grid.cells), span(u)))
    return Price(int(np.count_nonzero(modes)) / grid.cells, error, noise)


def span(u: Array) -> float:
    """Return the largest value of a field less its smallest."""
    return float(np.max(u) - np.min(u))


def psnr(mean_square: Array, peak: float) -> Array:
    """Return the peak signal-to-noise ratio in dB, 10 log10(peak^2 / mean square error)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 20.0 * np.log10(peak) - 10.0 * np.log10(mean_square)
    return np.where(np.asarray(mean_square) == 0.0, np.inf, ratio)


class Ranking:
    """The modes of a field in the order in which each rule keeps them.

    Parameters
    ----------
    u : array
        The field.
    grid : Grid
        A box.

    Raises
    ------
    ValueError
        When the field is not of the grid's shape, or holds anything but finite real numbers.
    """

    def __init__(self, u: Array, grid: Grid) -> None:
        if np.shape(u) != grid.shape:
            raise ValueError(f"the field has shape {np.shape(u)}, the grid {grid.shape}")
        if np.iscomplexobj(u):
            raise ValueError("expected a field of real numbers, found complex ones")
        if not np.all(np.isfinite(u)):
            raise ValueError("expected a field of finite numbers, found NaN or infinite ones")
        self.shape, self.span = grid.shape, span(u)
        self.power = np.abs(coefficients(u, grid)).ravel() ** 2
        self.total = float(np.sum(self.power))
        own, self.partner = np.arange(self.power.size), partners(grid)
        self.singles = self._falling(own[own == self.partner])
        self.pairs = self._falling(own[own < self.partner])
        # Summed from the small end, so that next to nothing left out is as exact as much.
        self.left_of_singles = _left(self.power[self.singles])
        self.left_of_pairs = _left(2.0 * self.power[self.pairs])
        squares = sum((k**2 for k in mode_numbers(grid)), np.zeros(grid.shape)).ravel()
        self.outwards = np.argsort(squares, kind="stable")
        steps = np.diff(squares[self.outwards], append=np.inf)
        # After so many modes a disc is whole.
        self.whole = np.flatnonzero(steps > SAME * squares[self.outwards]) + 1
        self.left_of_discs = _left(self.power[self.outwards])[self.whole]

    def _falling(self, modes: Array) -> Array:
        return modes[np.argsort(-self.power[modes], kind="stable")]

    def count(self, keep: float) -> int:
        """Return how many numbers a part of all is, at least one.

        Raises
        ------
        ValueError
            When it is none.
        """
        if not 0.0 < keep <= 1.0:
            raise ValueError(f"a part that is kept lies above 0 and goes up to 1; it is not {keep}")
        return max(1, round(keep * float(self.power.size)))

    def _disc(self, count: int) -> int:
        return int(np.searchsorted(self.whole, count, "right")) - 1

    def _best(self, count: int) -> tuple[int, int]:
        """How many single modes and how many pairs of them leave least, in so many numbers."""
        singles = np.arange(min(count, self.singles.size) + 1)
        pairs = np.minimum((count - singles) // 2, self.pairs.size)
        best = int(np.argmin(self.left_of_singles[singles] + self.left_of_pairs[pairs]))
        return best, int(pairs[best])

    def modes(self, rule: Rule, count: int) -> Array:
        """Return which modes a rule keeps in so many numbers."""
        kept = np.zeros(self.power.size, dtype=bool)
        if rule == "disc":
            kept[self.outwards[: self.whole[self._disc(count)]]] = True
        else:
            singles, pairs = self._best(count)
            kept[self.singles[:singles]] = True
            kept[self.pairs[:pairs]] = True
            kept[self.partner[self.pairs[:pairs]]] = True
        return kept.reshape(self.shape)

    def course(self, rule: Rule, keep: Array, peak: float | None, bits: int) -> Course:
        """Return what comes of keeping each of some parts by a rule."""
        if rule == "disc":
            found = [self._disc(self.count(part)) for part in keep]
            kept = self.whole[found]
            left, told = self.left_of_discs[found], np.zeros(len(found))
        else:
            best = np.array([self._best(self.count(part)) for part in keep])
            kept = best @ [1, 2]
            left = self.left_of_singles[best[:, 0]] + self.left_of_pairs[best[:, 1]]
            told = self._told(best @ [1, 1])
        cells = self.power.size
        error = np.sqrt(left / self.total) if self.total else np.zeros(left.shape)
        noise = psnr(left / cells, self.span if peak is None else peak)
        return Course(kept, kept / cells, (kept + told / bits) / cells, error, noise)

    def _told(self, places: Array) -> Array:
        """Bits that tell which modes are kept: one for each, or a number for each that is kept."""
        all_ = self.singles.size + self.pairs.size
        return np.asarray(np.minimum(places * math.ceil(math.log2(max(all_, 2))), all_))


def partners(grid: Grid) -> Array:
    """Return the number of the mode that is conjugate to each, in the order of all, flattened."""
    numbers = np.arange(grid.cells).reshape(grid.shape)
    for axis, ring in enumerate(grid.wrap):
        if ring:
            numbers = np.roll(np.flip(numbers, axis), 1, axis)
    return numbers.ravel()


def _left(power: Array) -> Array:
    """What is left out if so many of the first are kept, from none to all."""
    return np.append(np.cumsum(power[::-1])[::-1], 0.0)
