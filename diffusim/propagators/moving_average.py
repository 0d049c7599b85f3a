"""A moving average: each value of a series becomes a weighted mean of its neighbours in time.

    out(t) = sum over lags d of w(d) u(t - d),        sum of w = 1

It is the convolution with its weights, the propagator of one dimension whose axis is time: where no
weight is negative they are a probability density of delays, and what is averaged again and again
diffuses. A ``trailing`` average looks back only, a ``centred`` one both ways.

At the ends of the series the grid's sides say what there is beyond them: ``no-flux`` the mirror
image, ``periodic`` the other end, ``{value: v}`` v for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator

from diffusim import quantities
from diffusim.block import Array, Block, Invalid, by_kind
from diffusim.grid import AlongAny, Grid
from diffusim.kernels import densities, normalise
from diffusim.series import alpha_of, causal, exponential_weights, time_constant_of
from diffusim.series.smoothing import LEFT_OUT
from diffusim.shifts import Shifting

# A width this near to a whole number of steps is one.
ROUND_OFF = 1e-9
MOST_WEIGHTS = 32767
# Weights that fall within less than this part of a step leave everything as it is.
LEAST = 0.1

Span = Annotated[AlongAny, Field(gt=0, lt=1e12)]


class GaussianWeights(Block):
    """The Gaussian of the cells, that of a random walk, as weights.

    Parameters
    ----------
    sigma : float
        Its standard deviation along the axis, in s or m; of a trailing average that of the whole
        bell, of which the half that looks back is taken.
    """

    kind: Literal["gaussian"] = "gaussian"
    sigma: Span

    def lags(self, step: float, unit: str) -> Array:
        """Weights of lags 0, 1, ... on cells of a length, not yet normalised."""
        _not_too_short("sigma", self.sigma, step, unit)
        _not_too_long(2.0 * densities.REACH * self.sigma / step, step, unit, "a smaller sigma")
        part, _ = densities.truncated(densities.lattice((self.sigma / step) ** 2), LEFT_OUT)
        return densities.half(part)


class ExponentialWeights(Block):
    """Exponential smoothing, w(d) ~ r^d: out(t) = alpha u(t) + (1 - alpha) out(t - 1).

    The sequence has no end. It is cut where what is left is less than 1e-16 of all, and the rest
    made to sum to one. Before the first moment there is what the grid's side says, a mirror image
    or, with ``{first: {value: v}}``, v for ever, as in ``diffusim.series.exponential_smoothing``,
    whose own default is that the first value was there for ever.

    Parameters
    ----------
    time, half_life, alpha : float
        One of the three: after which time weights have fallen to 1/e, or to a half, in s or m; or
        the weight of the present, 1 - r.

    References
    ----------
    R. G. Brown, *Smoothing, Forecasting and Prediction of Discrete Time Series*, Prentice-Hall
    1963.
    """

    kind: Literal["exponential"] = "exponential"
    time: Span | None = None
    half_life: Span | None = None
    alpha: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(each is not None for each in (self.time, self.half_life, self.alpha)) != 1:
            raise Invalid("expected one of 'time', 'half_life' and 'alpha'")
        return self

    def lags(self, step: float, unit: str) -> Array:
        """Weights of lags 0, 1, ... on cells of a length, not yet normalised."""
        alpha = self.alpha
        if self.time is not None:
            _not_too_short("time", self.time, step, unit)
            alpha = alpha_of(time_constant=self.time / step)
        elif self.half_life is not None:
            _not_too_short("half_life", self.half_life, step, unit)
            alpha = alpha_of(half_life=self.half_life / step)
        assert alpha is not None
        reach = -math.log(LEFT_OUT) * time_constant_of(alpha)
        _not_too_long(reach, step, unit, "a shorter time")
        return exponential_weights(alpha)


def _not_too_short(key: str, size: float, step: float, unit: str) -> None:
    """Refuse weights that leave all as it is, as those of a number whose unit was forgotten."""
    if size < LEAST * step:
        raise Invalid(
            f"a {key} of {_size(size, unit)} is far below a step of {_size(step, unit)}, so every "
            f"value would stay as it is; expected {_size(LEAST * step, unit)} at least (a number "
            f"without a unit is in {unit})", key,
        )  # fmt: skip


def _not_too_long(reach: float, step: float, unit: str, remedy: str) -> None:
    """Refuse more weights than are taken, before they are made."""
    if reach > MOST_WEIGHTS:
        raise Invalid(
            f"these weights reach over {reach:.0f} steps of {_size(step, unit)} before they have "
            f"died out, more than {MOST_WEIGHTS}; take larger steps or {remedy}"
        )


_BY_KIND = GaussianWeights | ExponentialWeights
_by_its_kind: Any = by_kind(_BY_KIND).func


def _chosen(value: Any, info: ValidationInfo) -> Any:
    """Read numbers as a list, and a mapping by its kind, so that errors speak of one class."""
    if isinstance(value, list | np.ndarray):
        return tuple(value if isinstance(value, list) else value.tolist())
    return _by_its_kind(value, info) if isinstance(value, Mapping) else value


class MovingAverage(Shifting):
    """A weighted moving average along a series, applied a whole number of times.

    Give ``weights`` or the ``width`` of a window in which all weigh alike.

    Parameters
    ----------
    weights : list or mapping, optional
        Numbers in the order of their lags, as of any convolution: of a trailing average that of now
        first, of a centred one, whose number is odd, that of the latest first. Or ``{kind:
        gaussian, sigma: 5 day}``, ``{kind: exponential, time: 10 day}`` (or ``half_life`` or
        ``alpha``). They are divided by their sum.
    width : float, optional
        Of the window, in s or m, one step at least. Where it cuts a step, that counts for the part
        within, so a centred year of months is the usual one with half weights at both ends.
    side : {"trailing", "centred"}, optional
        Which way it looks; exponential weights trail and others are centred if not given. Centred
        exponential weights fall to both sides, of trailing Gaussian ones half a bell is taken.

    References
    ----------
    P. J. Brockwell and R. A. Davis, *Introduction to Time Series and Forecasting*, 3rd ed.,
    Springer 2016, section 1.5.
    """

    word: ClassVar[str] = "moving-average"
    given: ClassVar[str] = "weights"
    weighs: ClassVar[str] = "weights"
    reads: ClassVar[str] = "side"
    remedies: ClassVar[Mapping[str, str]] = {
        "collects": "the sides were periodic (grid.edges), or the average centred with weights "
        "alike both ways (propagator.side)"
    }

    weights: Annotated[tuple[float, ...] | _BY_KIND, BeforeValidator(_chosen)] | None = None
    width: Span | None = None
    side: Literal["trailing", "centred"] | None = None

    # By the length of a step.
    _made: dict[float, Array] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.weights is None) == (self.width is None):
            raise Invalid("expected either 'weights' or 'width'")
        if not isinstance(self.weights, tuple):
            return self
        if self.looks == "centred" and len(self.weights) % 2 == 0:
            raise Invalid(
                f"a centred average has an odd number of weights, as many before as behind, not "
                f"{len(self.weights)}; an even window has half weights at both ends, as "
                "[0.5, 1, 1, 1, 0.5]", "weights",
            )  # fmt: skip
        if len(self.weights) > MOST_WEIGHTS:
            raise Invalid(f"more than {MOST_WEIGHTS} weights are not taken", "weights")
        _normalised(np.array(self.weights), "weights")
        return self

    @property
    def looks(self) -> str:
        """Which way it looks, trailing or centred."""
        if self.side is not None:
            return self.side
        return "trailing" if isinstance(self.weights, ExponentialWeights) else "centred"

    def kernel_on(self, grid: Grid, time: float = 0.0) -> Array:
        """The weights as a kernel k[a + d], the other way round where cells collect by it."""
        weights = self.of_lags(grid)
        return weights[::-1] if self.collects_on(grid, time) else weights

    def collects_on(self, grid: Grid, _time: float = 0.0) -> bool:
        """Whether cells collect: at ends that are no ring, where weights are not alike both ways.

        So each value is a mean of what the sides say there is, and a constant stays.
        """
        weights = self.of_lags(grid)
        return not grid.wrap[0] and not np.array_equal(weights, weights[::-1])

    def of_lags(self, grid: Grid) -> Array:
        """The weights w of lags -a to a, which sum to one; of a trailing average none before 0.

        Raises
        ------
        Invalid
            When the grid has two axes, or steps that this average does not go with.
        """
        if len(grid.shape) != 1:
            raise Invalid(
                f"{self.called} runs along one axis, and this grid has {len(grid.shape)}; give a "
                "kernel", "kind",
            )  # fmt: skip
        step = grid.spacing[0]
        if step not in self._made:
            made = self._on_steps(step, grid.unit)
            made.flags.writeable = False
            self._made[step] = made
        return self._made[step]

    def _on_steps(self, step: float, unit: str) -> Array:
        """Weights on cells of a length, normalised, of lags -a to a."""
        if self.width is not None:
            cells = self.width / step
            cells = round(cells) if abs(cells - round(cells)) < ROUND_OFF * cells else cells
            if cells < 1.0:
                raise Invalid(
                    f"a window of {_size(self.width, unit)} is shorter than a step of "
                    f"{_size(step, unit)} (a number without a unit is in {unit})", "width",
                )  # fmt: skip
            if cells > MOST_WEIGHTS - 2:
                raise Invalid(
                    f"a window of {cells:.0f} steps is more than {MOST_WEIGHTS - 2}", "width"
                )
            lags = _window(cells) if self.looks == "trailing" else _centred_window(cells)
        elif isinstance(self.weights, tuple):
            lags = np.array(self.weights, dtype=float)
        else:
            assert self.weights is not None
            lags = self._falling(self.weights, step, unit)
        lags = _normalised(lags, "weights" if self.weights is not None else "width")
        return lags if self.looks == "centred" else causal(lags)

    def _falling(
        self, weights: GaussianWeights | ExponentialWeights, step: float, unit: str
    ) -> Array:
        try:
            lags = weights.lags(step, unit)
        except Invalid as problem:
            raise Invalid(problem.message, "weights", *problem.path) from None
        if self.looks == "trailing":
            return lags
        return np.concatenate([lags[:0:-1], lags])

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say how far it looks and what it leaves of noise."""
        whole = self.of_lags(grid)
        weights, lags = whole[whole != 0.0], np.flatnonzero(whole) - whole.size // 2
        mean = float(weights @ lags)
        mean = mean if abs(mean) > ROUND_OFF * whole.size else 0.0
        words = f"{weights.size} weights, mean lag {_lag(mean, grid)}"
        if np.all(weights > 0.0):
            spread = math.sqrt(max(0.0, float(weights @ (lags - mean) ** 2)))
            words += f", standard deviation {_lag(spread, grid)}"
        yield f"{words}; of the variance of white noise {float(weights @ weights):.3g} is left"


def _lag(steps: float, grid: Grid) -> str:
    """A number of steps in words."""
    if steps == 0.0:
        return "0"
    if grid.unit == "s":
        size = abs(steps) * grid.spacing[0]
        return f"{'-' if steps < 0.0 else ''}{quantities.duration(size)}"
    return f"{steps:.3g} cells"


def _size(size: float, unit: str) -> str:
    """A stretch of the axis in words."""
    return quantities.duration(size) if unit == "s" else f"{size:g} {unit}"


def _normalised(weights: Array, *path: str) -> Array:
    try:
        return normalise(weights, "sum")
    except Invalid:
        raise Invalid(
            "these weights add up to zero, so no mean is made of them; a kernel takes them as they "
            "are, {kind: kernel, kernel: [...], normalise: none}", *path,
        ) from None  # fmt: skip


def _window(steps: float) -> Array:
    """What of each step lies within a window that reaches so many steps back."""
    return np.asarray(np.clip(steps - np.arange(math.ceil(steps)), 0.0, 1.0))


def _centred_window(steps: float) -> Array:
    """What of each step lies within a window round the middle of one."""
    reach = math.ceil(0.5 * (steps - 1.0))
    lags = np.arange(-reach, reach + 1)
    return np.asarray(np.clip(0.5 * steps + 0.5 - np.abs(lags), 0.0, 1.0))
