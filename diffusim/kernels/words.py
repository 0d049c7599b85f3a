"""What a kernel does, in words: rules from numbers to sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from diffusim.kernels.character import Character

STAYS = 0.99
CLOSE = 0.05
CLOSE_OF_MOVED = 0.1
DIRECTED = 3.0
# Of a gain, a drift in cells or a part of the mass, what is not worth a word.
SLIGHT = 1e-9


def move_in_words(by: tuple[int, ...]) -> str:
    """Say a move by so many cells.

    Examples
    --------
    >>> [move_in_words(by) for by in [(0, 0), (1, 1), (-1, 0), (3, -1)]]
    ['stay', 'up-right', 'left', '3 right, 1 down']
    """
    names = (("left", "right"), ("down", "up"))
    steps = [(abs(d), names[axis][d > 0]) for axis, d in enumerate(by) if d != 0]
    if all(size == 1 for size, _ in steps):
        return "-".join(name for _, name in reversed(steps)) or "stay"
    return ", ".join(f"{size} {name}" for size, name in steps)


def reading(kernel: Character, mask: Character | None = None) -> list[str]:
    """Say what a kernel does, in short sentences.

    A density (all weights from zero on, sum 1)

    - leaves or moves everything: one weight is 1, in the centre or elsewhere;
    - concentrates in the centre: at least 99 % stay; where the mask it was made of has the sum 0
      and is even, that is said of edge detectors;
    - spreads evenly: all weights are alike;
    - drifts: the mean move is longer than 1e-9 cells;
    - blurs along one direction: the largest spread is at least 3 times the smallest;
    - smooths, where less than 99 % stay; as diffusion does where it is the lattice Gaussian to
      1e-9; like a Gaussian where at most 5 % of the mass, and a tenth of what moves, lies elsewhere
      than in the lattice or the sampled Gaussian of the same drift and covariance;
    - keeps what alternates: waves that change sign from cell to cell keep their magnitude.

    A mask (all else)

    - is told why it is no density: negative weights, or a sum that is not 1;
    - detects edges: sum 0 and even, k(-d) = k(d); as the Laplacian or a second derivative where
      its second moments are that;
    - differentiates: sum 0 and odd, k(-d) = -k(d), with a first moment, which is the direction;
    - sharpens: sum 1, even, and waves shorter than four cells grow most;
    - gives relief: sum 1 with a first moment;
    - blurs and scales: no negative weight and a sum that is not 1;
    - grows: some wave is multiplied by more than 1 in magnitude.

    Parameters
    ----------
    kernel : Character
        What to speak of.
    mask : Character, optional
        What a density was made of.
    """
    return list(_of_density(kernel, mask) if kernel.density else _of_mask(kernel))


# --- densities ----------------------------------------------------------------------------------


def _of_density(kernel: Character, mask: Character | None) -> Iterator[str]:
    if kernel.stays >= 1.0 - SLIGHT:
        yield "leaves everything as it is"
        return
    (likeliest, probability, _), *_ = kernel.moves(1)
    if probability >= 1.0 - SLIGHT:
        yield f"moves everything by {_pair(likeliest)}"
        return
    if kernel.stays >= STAYS:
        yield f"concentrates in the centre: {_percent(kernel.stays)} stay"
        if mask is not None and mask.total == 0.0 and mask.parity == "even":
            yield "an edge detector, read as a density, hardly moves anything"
    lowest, highest = float(np.min(kernel.kernel)), float(np.max(kernel.kernel))
    if highest - lowest <= SLIGHT * highest:
        yield f"spreads evenly over its {kernel.kernel.size} places"
    if kernel.drift is not None and float(np.hypot.reduce(kernel.drift)) > SLIGHT:
        yield f"drifts by {_pair(kernel.drift)} each time"
    if kernel.stays < STAYS:
        yield from _spread(kernel)


def _spread(kernel: Character) -> Iterator[str]:
    assert kernel.spreads is not None
    if kernel.angle is not None and kernel.spreads[0] >= DIRECTED * kernel.spreads[-1]:
        yield f"blurs along one direction ({_line(kernel.angle)})"
    apart, moved = min(kernel.likeness.values(), default=1.0), 1.0 - kernel.stays
    size = _sizes(kernel.spreads)
    if kernel.likeness.get("lattice", 1.0) <= SLIGHT:
        yield f"smooths: as diffusion on the cells does, a Gaussian of standard deviation {size}"
    elif apart <= CLOSE and apart <= CLOSE_OF_MOVED * moved:
        yield f"smooths: like a Gaussian of standard deviation {size} ({_percent(apart)} elsewhere)"
    elif kernel.likeness:
        yield f"smooths: spreads by {size}, though not as a Gaussian ({_percent(apart)} elsewhere)"
    else:
        yield f"smooths: spreads by {size}"
    yield from _kept(kernel)


def _kept(kernel: Character) -> Iterator[str]:
    """What keeps its size although it is spread over."""
    assert kernel.covariance is not None
    moving = {name for name, v in zip("xy", np.diag(kernel.covariance), strict=False) if v > 0}
    for names, size in kernel.alternating.items():
        if set(names) <= moving and size >= 1.0 - SLIGHT:
            yield (
                "but keeps a chequerboard of cells"
                if len(names) > 1
                else (f"but keeps what alternates from cell to cell along {names}")
            )


def _sizes(spreads: tuple[float, ...]) -> str:
    shown = list(dict.fromkeys(f"{spread:.3g}" for spread in spreads if spread > 0.0))
    return f"{' and '.join(shown)} cell{'' if shown == ['1'] else 's'}"


# --- masks --------------------------------------------------------------------------------------


def _of_mask(kernel: Character) -> Iterator[str]:
    if kernel.signed:
        yield "not a density: it has negative weights; they are read as a mask"
    else:
        yield f"not a density: its weights add up to {kernel.total:.6g}, not to 1"
    if kernel.absolute == 0.0:
        yield "gives zero everywhere"
    elif kernel.total == 0.0:
        yield from _of_sum_zero(kernel)
    elif kernel.signed and abs(kernel.total - 1.0) <= SLIGHT:
        yield from _of_sum_one(kernel)
    elif not kernel.signed:
        yield f"blurs, and multiplies by {kernel.total:.6g}: divided by that it is a density"
    if kernel.largest.magnitude > 1.0 + SLIGHT:
        yield (
            "applied again and again it grows: some waves are multiplied by "
            f"{kernel.largest.magnitude:.4g} each time"
        )


def _of_sum_zero(kernel: Character) -> Iterator[str]:
    if kernel.parity == "even":
        yield "detects edges: what is even gives zero, and so does an even slope"
        yield from _second_derivative(kernel)
    elif kernel.parity == "odd" and np.any(kernel.slope):
        size = float(np.hypot.reduce(kernel.slope))
        yield f"differentiates {_arrow(kernel)} (sum 0, odd)"
        yield f"on smooth fields it is {_times(size)}the slope (lengths in cells)"
    else:
        yield "what is even gives zero (sum 0)"


def _second_derivative(kernel: Character) -> Iterator[str]:
    weights = np.diag(kernel.curvature)
    if np.any(kernel.curvature - np.diag(weights)):
        return
    if (
        len(weights) == 2
        and weights[0] != 0.0
        and abs(weights[0] - weights[1]) <= SLIGHT * abs(weights[0])
    ):
        yield f"on smooth fields it is {_times(float(weights[0]))}the Laplacian (lengths in cells)"
    elif np.count_nonzero(weights) == 1:
        axis = int(np.flatnonzero(weights)[0])
        size = _times(float(weights[axis]))
        yield f"on smooth fields it is {size}the second derivative along {'xy'[axis]}"


def _of_sum_one(kernel: Character) -> Iterator[str]:
    top, angles = kernel.largest
    if kernel.parity == "even" and top > 1.0 + SLIGHT and max(map(abs, angles)) > math.pi / 2:
        yield f"sharpens: raises high frequencies x {top:.4g} while keeping the mean"
    elif np.any(kernel.slope):
        yield f"gives relief: keeps the mean and adds the slope {_arrow(kernel)}"


# --- numbers ------------------------------------------------------------------------------------


def _arrow(kernel: Character) -> str:
    """The direction of the first moments."""
    x, y = (*kernel.slope, 0.0)[:2]
    if y == 0.0:
        return "along x" if x > 0 else "along -x"
    if x == 0.0:
        return "along y" if y > 0 else "along -y"
    return f"along {math.degrees(math.atan2(y, x)):.3g} degrees"


def _line(angle: float) -> str:
    if min(abs(angle), abs(90.0 - abs(angle))) <= 1e-6:
        return "along x" if abs(angle) < 45.0 else "along y"
    return f"{angle:.3g} degrees"


def _times(factor: float) -> str:
    if abs(abs(factor) - 1.0) <= SLIGHT:
        return "" if factor > 0 else "minus "
    return f"{factor:.4g} times "


def _pair(by: object) -> str:
    numbers = [f"{float(d):.4g}" for d in np.ravel(np.asarray(by))]
    return f"({', '.join(numbers)}) cells" if len(numbers) > 1 else f"{numbers[0]} cells"


def _percent(part: float) -> str:
    if 0.5 < part < 1.0 and 1.0 - part < 1e-4:
        return f"all but {1.0 - part:.1g} of what is there"
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.4g} %"
