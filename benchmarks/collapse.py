"""One jump of whole cells at 10^6 and at 10^15 particles, beside the same splits by NumPy.

    python benchmarks/collapse.py [--cells 256] [--rounds 15]

A jump stops a tenth of the particles and splits the rest over four neighbours, as `collapse` does
in even water; NumPy's Generator.binomial makes the same splits, and only those. All take turns, so
that what else the machine does falls on all of them; shown are the least and the median. Below, one
binomial deviate each of 65536 cells, in ns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from diffusim.grid import Grid
from diffusim.loops import counts, draws
from diffusim.methods.collapse import _matrix
from diffusim.propagators.diffusion import Diffusion
from diffusim.segment import Segment

STOP, KEY = 0.1, (1, 2)


def shares_of(n: int) -> np.ndarray:
    grid = Grid(shape=(n, n), size=(1.0, 1.0))
    segment = Segment(grid, Diffusion(diffusivity=1e-9), 0.0, 1.0, 0.0, 1.0, 0, KEY)
    return _matrix(segment)[1]


def ours(n: int, number: int, shares: np.ndarray) -> Callable[[], None]:
    active = np.zeros(n * n, np.int64)
    counts.throw(number, np.ones(n * n), *KEY, active)
    active, stopped = active.reshape(n, n), np.zeros((n, n), np.int64)

    def jump() -> None:
        arrived = np.zeros((n + 2, n), np.int64)
        counts.jump(active, (0, n), STOP, 1.0 - STOP, shares, 0, 0, KEY, arrived, stopped,
                    np.zeros(0, np.int64))  # fmt: skip

    return jump


def numpys(n: int, number: int, shares: np.ndarray) -> Callable[[], None]:
    random = np.random.default_rng(1)
    active = random.multinomial(number, np.full(n * n, 1.0 / (n * n)))

    def jump() -> None:
        left = active - random.binomial(active, STOP)
        for move in range(4):
            left = left - random.binomial(left, np.minimum(shares[:, move], 1.0))

    return jump


def deviates(mean: float, p: float) -> Callable[[], None]:
    n, chance, out = np.full(65536, np.rint(mean / p)), np.full(65536, p), np.empty(65536)
    return lambda: draws.binomials(n, chance, *KEY, 0, 0, out)


def run(found: dict[str, Callable[[], None]], rounds: int) -> dict[str, tuple[float, float]]:
    for work in found.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, work in found.items():
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return {name: (min(taken), statistics.median(taken)) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    n, shares = options.cells, shares_of(options.cells)
    jumps: dict[str, Callable[[], None]] = {}
    for power in (6, 8, 9, 12, 15):
        jumps[f"collapse, 10^{power}"] = ours(n, 10**power, shares)
    for power in (6, 15):
        jumps[f"NumPy's splits, 10^{power}"] = numpys(n, 10**power, shares)
    taken = run(jumps, options.rounds)
    print(f"one jump on {n} x {n} cells")
    for name, (least, median) in taken.items():
        print(f"  {name:<24}{1e3 * least:9.2f} ms   median {1e3 * median:9.2f} ms")
    few, many = taken["collapse, 10^6"], taken["collapse, 10^15"]
    print(
        f"  10^15 cost {many[0] / few[0]:.2f} times as much as 10^6, median {many[1] / few[1]:.2f}"
    )
    print("one binomial deviate")
    kinds = {f"mean {mean:g}, p {p:g}": deviates(mean, p)
             for mean in (1, 5, 20, 200, 1e4, 1e9, 2e14) for p in (1e-3, 0.25, 0.5)}  # fmt: skip
    for name, (least, median) in run(kinds, options.rounds).items():
        print(f"  {name:<24}{least / 65536e-9:9.1f} ns   median {median / 65536e-9:9.1f} ns")


if __name__ == "__main__":
    main()
