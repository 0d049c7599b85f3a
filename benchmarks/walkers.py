"""Particles: jumps, hops and deviates, beside NumPy's fastest generator doing the same by hand.

    python benchmarks/walkers.py [--particles 1000000] [--rounds 7]

Nanoseconds per particle and jump, hop or deviate, the least of all rounds, in which the candidates
of one kind take turns; ratios are medians of the rounds' own, to the first of its kind. The tank
has 64 x 64 cells, so that counting stays in the cache for everybody. NumPy's jump folds once, which
is right for spreads far below the size of the tank only, and its deviates depend on the order in
which they are drawn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from diffusim.loops import exchange, membranes, particles, random, sobol
from diffusim.loops import hops as loop
from diffusim.medium.doors import poisson_tail, thresholds

N = 64
HOPS, PARTS = 100, 10
KEY = (1, 2)

Kinds = dict[str, dict[str, tuple[Callable[[], object], float]]]


def by_numpy(position: np.ndarray, sigma: float) -> Callable[[], object]:
    generator = np.random.Generator(np.random.SFC64(1))
    z = np.empty_like(position)

    def jump() -> None:
        generator.standard_normal(out=z)
        np.multiply(z, sigma, out=z)
        np.add(position, z, out=z)
        np.abs(z, out=position)
        np.subtract(N, position, out=position)
        np.abs(position, out=position)
        np.subtract(N, position, out=position)
        cells = position[0].astype(np.int64) * N + position[1].astype(np.int64)
        np.bincount(cells, minlength=N * N)

    return jump


def hops_by_numpy(cell: np.ndarray) -> Callable[[], object]:
    """One hop with every particle, each way a fifth of the time, on a torus."""
    generator = np.random.Generator(np.random.SFC64(1))
    steps = np.array([-N, N, -1, 1, 0])

    def hop() -> None:
        words = generator.integers(0, 5, cell.size, dtype=np.uint8)
        np.add(cell, steps[words], out=cell)
        np.bitwise_and(cell, N * N - 1, out=cell)
        np.bincount(cell, minlength=N * N)

    return hop


def jumps(n: int, sigma: float) -> dict[str, tuple[Callable[[], object], float]]:
    position = np.random.default_rng(1).random((2, n)) * N
    counts = np.zeros((N, N), np.int64)
    box = np.zeros(N), np.full(N, float(N))
    given = (*KEY, sigma, sigma, *box, *box, False, False, counts)
    return {
        "diffusim": (lambda: particles.jump(position, 0, *given), n),
        "diffusim, Sobol's points": (lambda: sobol.jump(position, 0, *given, False), n),
        "NumPy, SFC64 and bincount": (by_numpy(position.copy(), sigma), n),
    }


def hops(n: int) -> dict[str, tuple[Callable[[], object], float]]:
    cell = np.random.default_rng(1).integers(0, N * N, n).astype(np.int32)
    counts, left = np.zeros((N, N), np.int64), np.zeros(3, np.int64)
    ways = np.tile([0.2, 0.2, 0.2, 0.2], (N * N, 1))
    # Two sides and decay, so slow that nearly all stay to be timed.
    doors = thresholds(np.concatenate([ways, np.full((N * N, 3), 1e-7)], axis=1))
    closed, tail, block = thresholds(ways), poisson_tail(HOPS), poisson_tail(loop.BLOCK)
    few = max(1, n // HOPS)

    def leave() -> None:
        here = cell[:few].copy()
        exchange.hop_or_leave(here, 0, *KEY, tail, doors, True, True, counts, left)

    return {
        "diffusim, closed": (
            lambda: loop.hop(cell[:few], 0, *KEY, 0.0, HOPS, block, closed, True, True, counts),
            few * HOPS,
        ),
        "diffusim, open": (leave, few * HOPS),
        "NumPy, SFC64 and bincount": (hops_by_numpy(cell.astype(np.int64)), n),
    }


def parts(n: int) -> dict[str, tuple[Callable[[], object], float]]:
    """A membrane amid the tank across one axis, and none in reach of most particles."""
    position = np.random.default_rng(1).random((2, n // PARTS)) * N
    counts = np.zeros((N, N), np.int64)
    low, high = np.repeat([0.0, N / 2], N // 2), np.repeat([N / 2, N], N // 2)
    planes = np.array([low, high, 1.0 * (low > 0), 1.0 * (high < N)])
    sides = np.array([np.zeros(N), np.full(N, float(N)), np.zeros(N), np.zeros(N)])

    def cross() -> None:
        membranes.cross(position, 0, *KEY, PARTS, (0.5, 0.5), (planes, sides), (False, False),
                        counts)  # fmt: skip

    return {"diffusim": (cross, n // PARTS * PARTS)}


def deviates(n: int) -> dict[str, tuple[Callable[[], object], float]]:
    out, single = np.empty((2, n)), np.empty((2, n), np.float32)
    generator = np.random.Generator(np.random.SFC64(1))
    return {
        "diffusim": (lambda: random.normals(out, 0, *KEY), 2 * n),
        "diffusim, single": (lambda: random.normals(single, 0, *KEY), 2 * n),
        "NumPy, SFC64": (lambda: generator.standard_normal(out=out), 2 * n),
        "NumPy, SFC64, single": (
            lambda: generator.standard_normal(out=single, dtype=np.float32),
            2 * n,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    n = options.particles
    kinds: Kinds = {
        "an exact jump of 3 cells": jumps(n, 3.0),
        "an exact jump of 0.1 cells": jumps(n, 0.1),
        "a lattice hop": hops(n),
        "a part of a jump between membranes": parts(n),
        "a normal deviate": deviates(n),
    }
    for name, found in kinds.items():
        print(f"\n{name}")
        run(found, options.rounds)


def run(found: dict[str, tuple[Callable[[], object], float]], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, (work, amount) in found.items():
            began = time.perf_counter()
            work()
            if number:  # the first round loads the loops
                times[name].append((time.perf_counter() - began) / amount)
    first = next(iter(times.values()))
    for name, taken in times.items():
        ratio = statistics.median(t / o for t, o in zip(taken, first, strict=True))
        print(f"  {name:<28}{1e9 * min(taken):9.2f} ns  x {ratio:6.2f}")


if __name__ == "__main__":
    main()
