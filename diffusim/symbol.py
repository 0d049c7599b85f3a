"""The symbol: a propagator as bases and a multiplier, and the fastest way through them.

    u(t) = B m(t) B^-1 u(0)

Per axis the way is a transform of all modes or, where few of them survive, or where the basis has
no fast transform, a product with the matrix of those that do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy import fft

from diffusim.block import Array
from diffusim.spectrum import Basis, Eigenbasis, Fourier, Rest, Waves

# Seconds per cell of one transform along one axis, there or back: compiled, and SciPy's; and of a
# multiplication and addition within a product of matrices, on one 3.7 GHz core. Fields of more
# cells than stay in a cache take so many times as long.
COMPILED, PLAIN, PRODUCT = 0.9e-9, 3.3e-9, 0.065e-9
# One of complex numbers, by SciPy.
COMPLEX = 7e-9
CACHED, FAR = 2**19, 1.9
RING = 5
SURVIVING = 1e-16
# Modes that fall by so many powers of e below the slowest leave nothing in frames of each type.
LEFT = {"f": 20.0, "d": 37.0}


@dataclass(frozen=True, eq=False)
class Symbol:
    """A propagator as bases and a multiplier.

    Parameters
    ----------
    shape : tuple of int
        Shape of the fields.
    bases : sequence of Basis
        One per axis.
    factors : callable
        From a duration to one vector per axis, whose product is the multiplier, or to an array of
        the shape of the coefficients.
    rates : sequence of array, optional
        Rates of decay of the modes of each axis in 1/s, where the multiplier is their exponential.
    loss : float
        Rate in 1/s at which everything decays beside that.
    affine : bool
        Whether something comes in, so that what is carried is the rate of change.
    ratios : sequence of array or None
        What flows through the sides of an axis beside what the cells' own law says of the same
        modes, where the two differ.
    even : bool
        Whether a mode of a ring and its mirror image fare alike.
    turn : complex
        What the rates are multiplied with: 1, or i for waves, whose modes turn instead of decaying.
    """

    shape: tuple[int, ...]
    bases: Sequence[Basis]
    factors: Callable[[float], Sequence[Array] | Array]
    rates: Sequence[Array] = ()
    loss: float = 0.0
    affine: bool = False
    ratios: Sequence[Array | None] = ()
    even: bool = True
    turn: complex = 1.0
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def resting(self) -> bool:
        """Whether nothing happens at all."""
        return all(isinstance(basis, Rest) for basis in self.bases) and not (
            self.loss or self.affine
        )

    @cached_property
    def rate(self) -> Array:
        """Rate of decay of every mode in 1/s, in the shape of the coefficients."""
        total: Array = np.full((1,) * len(self.shape), self.loss)
        for axis, rates in enumerate(self.rates):
            total = total + self._along(axis, rates)
        return total

    @cached_property
    def fastest(self) -> float:
        """Largest rate in 1/s."""
        return float(np.max(np.abs(self.rate)))

    def _along(self, axis: int, values: Array) -> Array:
        return values.reshape([-1 if k == axis else 1 for k in range(len(self.shape))])

    # --- one jump -------------------------------------------------------------------------------

    def carry(self, u: Array, duration: float, tolerance: float = SURVIVING) -> Array:
        """Carry a field over a duration, keeping the modes that survive to the tolerance."""
        if self.resting:
            return u
        if u.dtype == np.float32:
            tolerance = max(tolerance, 1e-9)
        key = duration, tolerance, u.dtype.char
        if key not in self._made:
            if len(self._made) >= 4:
                self._made.clear()
            self._made[key] = self._prepared(duration, tolerance, u.dtype)
        return self._made[key](u)  # type: ignore[no-any-return]

    def _prepared(self, duration: float, tolerance: float, dtype: Any) -> Callable[[Array], Array]:
        """Everything that does not depend on the field."""
        factors = self.factors(duration)
        real = np.dtype(dtype).kind == "f"
        if isinstance(factors, np.ndarray):
            return lambda u: self.through(u, [factors])[0]
        kept = self._kept(factors, tolerance)
        if real and any(self._few(axis, kept[axis]) for axis in range(len(self.shape))):
            return self._partly(factors, kept, np.dtype(dtype))
        if real and self._pair is not None:
            pair, orders = self._pair
            own = [np.ascontiguousarray(f[o] if f.size > 1 else f, dtype=dtype)
                   for f, o in zip(factors, orders, strict=True)]  # fmt: skip
            own = [np.full(1, 1.0, dtype), *own][-2:]
            return lambda u: self._fused(pair, u, own)
        whole = self._whole(duration)
        return lambda u: self.through(u, [whole])[0]

    def _fused(self, pair: Any, u: Array, factors: Sequence[Array]) -> Array:
        out = np.empty(u.shape, u.dtype)
        plane = (1, *u.shape)[-2:]
        pair.carry(np.ascontiguousarray(u).reshape(plane), out.reshape(plane), *factors)
        return out

    def _kept(self, factors: Sequence[Array], tolerance: float) -> list[Array]:
        # Of what grows beyond all numbers nothing is left out, so that it shows.
        return [~(np.abs(f) <= tolerance * np.max(np.abs(f))) | ~np.isfinite(f) for f in factors]

    def _few(self, axis: int, kept: Array) -> bool:
        """Whether products with the modes of an axis that are kept cost less than transforms."""
        basis = self.bases[axis]
        if self.turn != 1.0 and not isinstance(basis, Eigenbasis):
            return False
        if isinstance(basis, Rest):
            return False
        if isinstance(basis, Eigenbasis):
            return True
        return PRODUCT * int(np.count_nonzero(kept)) < self._transform

    @property
    def _transform(self) -> float:
        """Seconds per cell of a transform along one axis."""
        far = FAR if math.prod(self.shape) > CACHED else 1.0
        if self.turn != 1.0:
            return far * COMPLEX
        return far * (PLAIN if self._pair is None else COMPILED)

    def _partly(
        self, factors: Sequence[Array], kept: Sequence[Array], dtype: np.dtype
    ) -> Callable[[Array], Array]:
        """Products along the axes of which few modes are kept, transforms along the others."""
        dense: dict[int, tuple[Array, Array]] = {}
        multiplier: Array = np.ones((1,) * len(self.shape))
        for axis, n in enumerate(self.shape):
            factor = factors[axis]
            if self._few(axis, kept[axis]):
                there, back, numbers = self.bases[axis].part(kept[axis], n)
                # The factor goes into one of the matrices.
                there = there * factor[numbers][:, None]
                dense[axis] = (
                    np.ascontiguousarray(there, dtype),
                    np.ascontiguousarray(back, dtype),
                )
            else:
                multiplier = multiplier * self._along(axis, factor)
        multiplier = multiplier.astype(dtype)
        others = {k: self.bases[k] for k in range(len(self.shape)) if k not in dense}

        def carried(u: Array) -> Array:
            for axis, (there, _) in dense.items():
                u = Eigenbasis(there, there).forward(u, axis)
            for axis, basis in others.items():
                u = basis.forward(u, axis)
            if others:
                u = u * multiplier
            for axis, basis in others.items():
                u = basis.backward(u, axis)
            for axis, (_, back) in reversed(dense.items()):
                u = Eigenbasis(back, back).backward(u, axis)
            return np.ascontiguousarray(np.real(u), dtype)

        return carried

    # --- several multipliers with one transform -------------------------------------------------

    def through(self, u: Array, multipliers: Sequence[Array]) -> list[Array]:
        """Return B m B^-1 u for each of some multipliers, which broadcast against coefficients."""
        return list(self._each(u, multipliers))

    def _each(self, u: Array, multipliers: Iterable[Array]) -> Iterator[Array]:
        if np.iscomplexobj(u) or not self.even or self._pair is None:
            yield from self._plainly(u, multipliers)
            return
        pair, orders = self._pair
        plane = (1, *u.shape)[-2:]
        c = pair.forward(np.ascontiguousarray(u).reshape(plane)).reshape(u.shape)
        for multiplier in multipliers:
            own = multiplier
            for axis, order in enumerate(orders):
                own = np.take(own, order, axis) if own.shape[axis] > 1 else own
            own = (c * own).astype(u.dtype, copy=False)
            yield pair.backward(own.reshape(plane)).reshape(u.shape)

    def _plainly(self, u: Array, multipliers: Iterable[Array]) -> Iterator[Array]:
        axes = range(len(self.shape))
        real = not np.iscomplexobj(u)
        rings = [axis for axis in axes if isinstance(self.bases[axis], Fourier)]
        # Of a real field half of the modes of one ring tell all.
        half = rings[0] if rings and real else None
        order = sorted(axes, key=lambda axis: (axis in rings, axis != half))
        c = u
        for axis in order:
            c = fft.rfft(c, axis=axis) if axis == half else self.bases[axis].forward(c, axis)
        for multiplier in multipliers:
            if half is not None and multiplier.shape[half] > 1:
                multiplier = np.take(multiplier, range(self.shape[half] // 2 + 1), half)
            v = c * multiplier
            for axis in reversed(order):
                if axis == half:
                    v = fft.irfft(v, self.shape[half], axis=axis)
                else:
                    v = self.bases[axis].backward(v, axis)
            yield np.ascontiguousarray(np.real(v) if real else v)

    # --- all frames from one transform ----------------------------------------------------------

    def frames(self, u: Array, durations: Sequence[float] | Array, out: Array) -> None:
        """Write the field after each of some durations into ``out``, each from the start.

        Where both axes have compiled transforms, ``out`` of single precision is worked out in it,
        from what is left of the modes, and the mean that stays is carried apart in double: the
        error is a part in 10^7 of what is left of the fluctuations, and the rounding of their sum.

        Parameters
        ----------
        u : array
            Field of real numbers, float64.
        durations : sequence of float
            In s, none below zero; at zero the frame is the field itself.
        out : (frames, *shape) array
            C-contiguous, float32 or float64.

        Raises
        ------
        ValueError
            When something comes in, which one multiplication does not carry.
        """
        if self.affine:
            raise ValueError("what comes in is carried from frame to frame, not from the start")
        times = np.asarray(durations, float)
        if self._shrinking and out.flags.c_contiguous and times.size:
            self._snapshots(u, times, out)
        elif any(isinstance(basis, Eigenbasis) for basis in self.bases):
            self._by_matrices(u, times, out)
        else:
            for frame, field_ in zip(out, self._each(u, map(self._whole, times)), strict=True):
                frame[...] = field_
        out[times == 0.0] = u

    @property
    def _shrinking(self) -> bool:
        """Whether frames can be made of what is left of real modes, by compiled transforms."""
        decays = bool(self.rates) and self.turn == 1.0 and self.even
        return decays and self._pair is not None and self._pair[0].shrinks

    def _snapshots(self, u: Array, times: Array, out: Array) -> None:
        assert self._pair is not None
        pair, orders = self._pair
        plane = (1, *u.shape)[-2:]
        own = [rates[order] for rates, order in zip(self.rates, orders, strict=True)]
        own = [np.zeros(1), *own][-2:]
        rates = [rate[pair.ascending(axis)] for axis, rate in enumerate(own)]
        resting = rates[0][0] == 0.0 and rates[1][0] == 0.0
        mean = float(np.mean(u)) if resting else 0.0
        c = pair.forward((u - mean).reshape(plane))
        if resting:
            c[pair.ascending(0)[0], pair.ascending(1)[0]] = 0.0
        # What falls is compared with the slowest mode that is no mean, along either axis.
        slow = [rate[0] or (rate[1] if rate.size > 1 else np.inf) for rate in rates]
        slowest = min(slow) if resting else rates[0][0] + rates[1][0]
        factors = [np.exp(-np.outer(times, rate)) for rate in rates]
        factors[0] *= np.exp(-self.loss * times)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = slowest + LEFT[out.dtype.char] / times
        beside = [limits - rates[1][0], limits - rates[0][0]]
        kept = [np.maximum(np.searchsorted(rate, limit, "right"), 1)
                for rate, limit in zip(rates, beside, strict=True)]  # fmt: skip
        means = mean * np.exp(-self.loss * times)
        shaped = out.reshape((len(times), *plane))
        pair.snapshots(c, shaped, means, (factors[0], factors[1]), np.stack(kept, axis=1))

    def _by_matrices(self, u: Array, times: Array, out: Array) -> None:
        """Where an axis has a basis of its own: products with the modes that survive."""
        axes = list(enumerate(self.bases))
        c = u
        for axis, basis in axes:
            c = basis.forward(c, axis)
        for frame, time in zip(out, times, strict=True):
            factors = self.factors(float(time))
            kept = self._kept(factors, SURVIVING)  # type: ignore[arg-type]
            v = c
            for axis, basis in reversed(axes):
                factor = self._along(axis, factors[axis])
                if isinstance(basis, Eigenbasis):
                    _, back, numbers = basis.part(kept[axis], self.shape[axis])
                    v = np.take(v, numbers, axis) * np.take(factor, numbers, axis)
                    v = Eigenbasis(back, back).backward(v, axis)
                else:
                    v = basis.backward(v * factor, axis)
            frame[...] = np.real(v)

    def _whole(self, duration: float) -> Array:
        """The multiplier of a duration, in the shape of the coefficients."""
        factors = self.factors(duration)
        if isinstance(factors, np.ndarray):
            return factors
        whole: Array = np.ones((1,) * len(self.shape))
        for axis, factor in enumerate(factors):
            whole = whole * self._along(axis, factor)
        return whole

    # --- the compiled transforms ----------------------------------------------------------------

    @cached_property
    def _pair(self) -> tuple[Any, list[Array]] | None:
        """Compiled transforms of both axes, with the modes in their order, if there are any."""
        kinds = []
        for basis in self.bases:
            if isinstance(basis, Waves):
                kinds.append(basis.kind)
            elif isinstance(basis, Fourier):
                kinds.append(RING)
            elif isinstance(basis, Rest):
                kinds.append(0)
            else:
                return None
        return _transforms(self.shape, tuple(kinds))

    def seconds(self, duration: float, tolerance: float = SURVIVING) -> float:
        """Seconds of work of one jump, as measured."""
        cells = math.prod(self.shape)
        factors = self.factors(duration) if self.rates else None
        if factors is None or isinstance(factors, np.ndarray):
            return 2e-6 + 2.0 * len(self.shape) * cells * self._transform
        kept = self._kept(factors, tolerance)
        cost, left = 0.0, float(cells)
        for axis, basis in enumerate(self.bases):
            if isinstance(basis, Rest):
                continue
            if self._few(axis, kept[axis]):
                many = int(np.count_nonzero(kept[axis]))
                cost += 2.0 * PRODUCT * left * many * (1.0 if self.turn == 1.0 else 8.0)
                left *= many / self.shape[axis] if self.turn == 1.0 else 1.0
            else:
                cost += 2.0 * left * self._transform
        return 5e-6 + cost


@lru_cache(maxsize=16)
def _transforms(shape: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Any, list[Array]] | None:
    """Compiled transforms, and which mode each of their coefficients is; made once for a shape."""
    from diffusim.loops import transforms

    if not all(map(transforms.supported, kinds, shape)):
        return None
    plane, both = (1, *shape)[-2:], (0, *kinds)[-2:]
    pair = transforms.Pair((plane[0], plane[-1]), (both[0], both[-1]))
    orders = []
    for axis, (kind, n) in enumerate(zip(kinds, shape, strict=True)):
        if kind == transforms.REST:
            orders.append(np.zeros(n, dtype=int))
            continue
        angles = pair.angles(axis + 2 - len(shape))
        if kind == RING:
            orders.append(np.rint(angles * n / (2.0 * np.pi)).astype(int))
        else:
            first = Waves(kind).angles(n)[0]
            orders.append(np.rint((angles - first) * n / np.pi).astype(int))
    return pair, orders
