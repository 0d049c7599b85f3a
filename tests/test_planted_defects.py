"""The ways in which samplers are wrong, planted one by one in a sampler of plain NumPy.

Each fault is one that has been seen in programs that passed weaker tests. The verdict of the
comparison has to find every one of them, and nothing where nothing is wrong. Seeds are fixed; with
fresh ones a sound sampler would be rejected once in a million.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Array
from diffusim.comparison import Row, compare
from diffusim.methods.modes import Modes
from diffusim.verdicts import AS_PREDICTED, UNEXPLAINED

CELLS, START, SPREAD, STEPS = 64, 9, 8.0, 20
LENGTH = float(CELLS)
D, TIME = 0.5 * SPREAD**2, 1.0
Jump = Callable[[Array, np.random.Generator, int], Array]


def folded(x: Array) -> Array:
    y = np.mod(x, 2.0 * LENGTH)
    return np.minimum(y, 2.0 * LENGTH - y)


def normals(random: np.random.Generator, count: int) -> Array:
    return random.standard_normal(count)


def uniforms(random: np.random.Generator, count: int) -> Array:
    """Of the same variance as normal deviates, and another law."""
    return random.uniform(-np.sqrt(3.0), np.sqrt(3.0), count)


def sampled(
    number: int,
    steps: int = STEPS,
    factor: float = 1.0,
    at_walls: Callable[[Array, Array], Array] = lambda _before, x: folded(x),
    at_the_end: Callable[[Array], Array] = lambda x: x,
    deviates: Callable[[np.random.Generator, int], Array] = normals,
    copies: int = 1,
) -> Array:
    """Counts of particles that began anywhere in one cell, after a number of equal steps."""
    counts = np.zeros(CELLS, dtype=np.int64)
    sigma = SPREAD * np.sqrt(factor / steps)
    for part in range(0, number // copies, 500_000):
        random = np.random.Generator(np.random.SFC64([7, part]))
        x = START + random.random(min(500_000, number // copies - part))
        for _ in range(steps):
            x = at_walls(x, x + sigma * deviates(random, x.size))
        cells = np.clip(at_the_end(x).astype(int), 0, CELLS - 1)
        counts += copies * np.bincount(cells, minlength=CELLS)
    return counts


def judged(counts: Array) -> Row:
    """The verdict on counts, against the law of counts of particles that begin in one cell."""
    grid = ds.Grid(shape=(CELLS,), size=(LENGTH,))
    u = np.zeros(CELLS)
    u[START] = 1.0
    water = ds.Diffusion(diffusivity=D)
    times = [0.0, 0.8 * TIME, TIME]
    law = ds.solve(u, water, grid=grid, times=times, method=Modes(limit="cell-to-cell"))
    number = int(np.sum(counts))
    # A frame before the last, drawn from the law itself: it tells in which way time flows.
    earlier = np.clip(law.frames[1], 0.0, None)
    sound = np.random.default_rng(3).multinomial(number, earlier / np.sum(earlier))
    drawn = np.stack([(u * number).astype(np.int64), sound, counts])
    facts = {"limit": "cell-to-cell", "statistical": True}
    run = ds.Run("sampler", law.times, drawn / number, facts, drawn)
    return compare([law, run], law.times)["sampler"]


def between(_before: Array, x: Array) -> Array:
    return np.clip(x, 0.0, LENGTH)


def refused(before: Array, x: Array) -> Array:
    return np.where((x < 0.0) | (x >= LENGTH), before, x)


def free(_before: Array, x: Array) -> Array:
    return x


FEW, MANY = 1_000_000, 10_000_000
SOUND = {"one jump": {"steps": 1}, "twenty steps": {}}
FAULTS = {
    "clamped at walls": {"steps": 1, "at_walls": between},
    "clamped at walls at every step": {"at_walls": between},
    "wound round in place of mirrored": {
        "steps": 1, "at_walls": free, "at_the_end": lambda x: np.mod(x, LENGTH)
    },
    "two identical streams": {"steps": 1, "copies": 2},
}  # fmt: skip
SUBTLE = {
    "moves into walls refused": {"at_walls": refused},
    "a diffusivity of one per cent more": {"steps": 1, "factor": 1.01},
    "a diffusivity of 0.3 per cent more": {"steps": 1, "factor": 1.003},
    "uniform in place of normal steps": {"deviates": uniforms},
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_sampler_is_as_predicted(name: str) -> None:
    assert judged(sampled(FEW, **SOUND[name])).verdict == AS_PREDICTED  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_defect_is_rejected_by_a_million_particles(name: str) -> None:
    assert judged(sampled(FEW, **FAULTS[name])).verdict == UNEXPLAINED  # type: ignore[arg-type]


@pytest.mark.proof
@pytest.mark.parametrize("name", [*SOUND, *SUBTLE])
def test_a_subtle_defect_is_rejected_by_ten_million_particles(
    name: str, figure: Callable[..., None]
) -> None:
    options = {**SOUND, **SUBTLE}[name]
    row = judged(sampled(MANY, **options))  # type: ignore[arg-type]
    wanted = AS_PREDICTED if name in SOUND else UNEXPLAINED
    figure(f"p-value of ten million particles, {name}", row.p_value or 0.0, limit=wanted)
    assert row.verdict == wanted, row.reason
