"""Two slabs of unlike diffusivity side by side, with a membrane between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.means import means
from diffusim.exact.ranges import above_zero, check, counted, finite


def layers_flux(
    diffusivities: tuple[float, float],
    length: float,
    at: float,
    permeability: float,
    left: float,
    right: float,
) -> float:
    """Steady flux through two layers and a membrane, resistances in series.

    J = (left - right) / (at / D_1 + 1 / P + (L - at) / D_2).

    Parameters
    ----------
    diffusivities : (float, float)
        D_1 below and D_2 above the membrane in m^2/s, above zero.
    length, at : float
        L and the place of the membrane in m.
    permeability : float
        P in m/s, above zero; infinity for layers that touch.
    left, right : float
        Values held at the two ends.

    Returns
    -------
    float
        Flux towards greater x, in the field's unit times m/s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, chapter 12; Carslaw and Jaeger 1959, section 3.2.
    """
    _check_layers(0.0, diffusivities, length, at, permeability, 0.0)
    finite(left=left, right=right)
    below, above = diffusivities
    return (left - right) / (at / below + 1.0 / permeability + (length - at) / above)


def layers_steady(
    x: Any,
    diffusivities: tuple[float, float],
    length: float,
    at: float,
    permeability: float,
    left: float,
    right: float,
    *,
    cell: float = 0.0,
) -> Array:
    """Steady profile of two layers and a membrane between ends that are held at values.

    u = left - J x / D_1 below the membrane, u = right + J (L - x) / D_2 above it, J as in
    `layers_flux`; at the membrane the mean of its two sides.

    Parameters
    ----------
    x : array
        Places in m, from 0 to ``length``.
    diffusivities, length, at, permeability, left, right
        As in `layers_flux`.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, chapter 12; Carslaw and Jaeger 1959, section 3.2.
    """
    _check_layers(0.0, diffusivities, length, at, permeability, cell)
    flux = layers_flux(diffusivities, length, at, permeability, left, right)

    def values(place: Array) -> Array:
        below = left - flux * place / diffusivities[0]
        above = right + flux * (length - place) / diffusivities[1]
        return _joined(place, at, below, above)

    return means(values, np.asarray(x, dtype=float), cell, places=(at,))


def layers_rate(
    diffusivities: tuple[float, float], length: float, at: float, permeability: float, number: int
) -> float:
    """Rate in 1/s at which a mode of two layers decays between closed ends.

    The root of psi(q) + q T_2 = number pi, squared, with T_i = L_i / sqrt(D_i) and psi the angle of
    (cos(q T_1) - q sqrt(D_1) / P sin(q T_1), sqrt(D_1 / D_2) sin(q T_1)); equal to
    cot(q T_1) / (q sqrt(D_1)) + cot(q T_2) / (q sqrt(D_2)) = 1 / P, but free of poles and rising.

    Parameters
    ----------
    diffusivities, length, at, permeability
        As in `layers_flux`.
    number : int
        Of the mode, from 0 (which is even and stays).

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, sections 2.15 and 12.8; the angle is Pruefer's.
    """
    _check_layers(0.0, diffusivities, length, at, permeability, 0.0)
    counted(number, 0)
    return _root(diffusivities, length, at, permeability, number) ** 2


def layers_mode(
    x: Any,
    t: float,
    diffusivities: tuple[float, float],
    length: float,
    at: float,
    permeability: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """One mode of two layers and a membrane between closed ends, which decays.

    u = mean + amplitude exp(-rate t) times cos(k_1 x) below the membrane and
    R cos(k_2 (L - x)) above it, k_i = sqrt(rate / D_i); the flux is the same on both sides and is P
    times the difference across.

    Parameters
    ----------
    x, diffusivities, length, at, permeability, cell
        As in `layers_steady`.
    t : float
        Time in s.
    number : int
        Of the mode, from 0.
    amplitude, mean : float
        Value at x = 0 beyond the mean, and the mean.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, sections 2.15 and 12.8; Crank 1975, chapter 12.
    """
    _check_layers(t, diffusivities, length, at, permeability, cell)
    counted(number, 0)
    q = _root(diffusivities, length, at, permeability, number)
    k = [q / math.sqrt(d) for d in diffusivities]
    turn = k[0] * at
    beyond = math.cos(turn) - q * math.sqrt(diffusivities[0]) / permeability * math.sin(turn)
    across = math.sqrt(diffusivities[0] / diffusivities[1]) * math.sin(turn)
    other = k[1] * (length - at)
    if abs(math.sin(other)) * (1.0 + q * math.sqrt(diffusivities[0]) / permeability) > 1.0:
        # A dense membrane magnifies what is lost in the difference across it, but not the flux.
        ratio = -across / math.sin(other)
    else:
        # (beyond, across) is (R cos, R sin) of minus the other angle, up to whole half turns.
        ratio = beyond * math.cos(other) - across * math.sin(other)
    factor = amplitude * math.exp(-(q**2) * t)

    def values(place: Array) -> Array:
        below, above = np.cos(k[0] * place), ratio * np.cos(k[1] * (length - place))
        return mean + factor * _joined(place, at, below, above)

    widest = 1.0 / max(k) if q else math.inf
    return means(values, np.asarray(x, dtype=float), cell, places=(at,), widest=widest)


def _check_layers(
    t: float,
    diffusivities: tuple[float, float],
    length: float,
    at: float,
    permeability: float,
    cell: float,
) -> None:
    for d in diffusivities:
        check(t, d, length, at, cell)
        above_zero(diffusivity=d)
    if not permeability > 0.0:
        raise ValueError(f"the permeability must be above zero, not {permeability} m/s")


def _root(
    diffusivities: tuple[float, float], length: float, at: float, permeability: float, number: int
) -> float:
    if number == 0:
        return 0.0
    roots = [math.sqrt(d) for d in diffusivities]
    times = at / roots[0], (length - at) / roots[1]

    def excess(scaled: float) -> float:
        q = scaled / (times[0] + times[1])
        turn = q * times[0]
        whole = math.floor(turn / math.pi)
        left = turn - whole * math.pi
        beyond = math.cos(left) - q * roots[0] / permeability * math.sin(left)
        across = roots[0] / roots[1] * math.sin(left)
        # In units of half turns the number is whole, and nothing is lost to pi. Nor is a small q,
        # of a membrane that hardly lets through, where the angle is kept as what half a turn lacks.
        if beyond < 0.0:
            return whole + 1 - number + (q * times[1] - math.atan2(across, -beyond)) / math.pi
        return whole - number + (math.atan2(across, beyond) + q * times[1]) / math.pi

    from scipy import optimize

    low, high = (number - 1.0) * math.pi, (number + 1.0) * math.pi
    low = low or 1e-9 * math.pi
    while excess(low) > 0.0:
        low *= 0.01
    root = optimize.brentq(excess, low, high, xtol=1e-300, rtol=9e-16, maxiter=1000)
    return float(root) / (times[0] + times[1])


def _joined(place: Array, at: float, below: Array, above: Array) -> Array:
    middle = np.where(place == at, 0.5 * (below + above), above)
    return np.where(place < at, below, middle)
