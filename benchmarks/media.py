"""What every method costs on every kind of medium, in ns per cell and step, stage or term.

    python benchmarks/media.py [--sizes 64 256 1024] [--rounds 5]

All candidates of a size take turns, so that a busy machine slows all of them alike; the least of
all rounds is shown, and beside it the ratio to explicit steps on an even medium with NumPy's
slices, taken round by round. The loops themselves are compared with C in ``loops.py`` and
``tridiagonal.py``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import diffusim as ds
from diffusim import runs
from diffusim.methods import Method
from diffusim.methods.rkl2 import Rkl2

STAGES = 9
HOW: dict[str, dict[str, Any]] = {
    "ftcs, a step": {"kind": "ftcs"},
    f"rkl2, a stage of {STAGES}": {"kind": "rkl2", "stages": STAGES},
    "adi, a step": {"kind": "adi"},
    "chebyshev, a term": {"kind": "chebyshev"},
    "poisson, a term": {"kind": "poisson"},
}


def media(n: int) -> dict[str, tuple[ds.Grid, ds.Diffusion]]:
    rng = np.random.default_rng(1)
    uneven = 10.0 ** rng.uniform(-1.0, 0.0, (n, n))
    size = (float(n), float(n))
    closed = ds.Grid(shape=(n, n), size=size)
    opened = ds.Grid(shape=(n, n), size=size, edges={"x": {"value": 1.0}})
    spoon = {"kind": "vortex", "radius": 0.2 * n, "speed": 0.3}
    return {
        "even": (closed, ds.Diffusion(diffusivity=1.0)),
        "uneven": (closed, ds.Diffusion(diffusivity=uneven)),
        "open, with a source": (opened, ds.Diffusion(diffusivity=1.0, source=1e-3)),
        "uneven and open": (opened, ds.Diffusion(diffusivity=uneven)),
        "stirred": (closed, ds.Diffusion.model_validate({"diffusivity": 1.0, "flow": spoon})),
    }


def candidates(n: int) -> dict[tuple[str, str], tuple[Callable[[], object], float]]:
    """What to run, and how many cells and steps that is."""
    u = np.random.default_rng(0).random((n, n))
    wanted = max(32, int(4e6 / n**2))
    found: dict[tuple[str, str], tuple[Callable[[], object], float]] = {}
    for medium, (grid, water) in media(n).items():
        fastest = water.generator(grid, 0.0).fastest
        for title, options in HOW.items():
            method = Method.read({**options, **steps_of(options["kind"], fastest)})
            stop = {"ftcs": 0.8, "rkl2": 10.0, "adi": 4.0}.get(options["kind"], 1.0)
            stop *= wanted / fastest / (STAGES if options["kind"] == "rkl2" else 1)
            if options["kind"] == "chebyshev":
                stop *= wanted / 60.0
            try:
                course = runs.plan(method, water, grid, [stop])
            except ds.Unsupported:
                continue
            per = STAGES if isinstance(course.method, Rkl2) else 1
            found[title, medium] = (lambda c=course: list(c.frames(u))), n**2 * per * course.steps
    work = np.empty((n, n))

    def slices() -> None:
        v = u.copy()
        for _ in range(wanted):
            work[...] = v
            flow = 0.2 * (v[1:] - v[:-1])
            work[:-1] += flow
            work[1:] -= flow
            flow = 0.2 * (v[:, 1:] - v[:, :-1])
            work[:, :-1] += flow
            work[:, 1:] -= flow
            v[...] = work

    found["NumPy slices, a step", "even"] = slices, n**2 * wanted
    return found


def steps_of(kind: str, fastest: float) -> dict[str, float]:
    """Steps a tenth of what nine stages reach, and of four explicit ones for adi."""
    return {"rkl2": {"dt": 10.0 / fastest}, "adi": {"dt": 4.0 / fastest}}.get(kind, {})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for n in given.sizes:
        tried = candidates(n)
        for run, _ in tried.values():
            run()
        spent: dict[tuple[str, str], list[float]] = {name: [] for name in tried}
        for _ in range(given.rounds):
            for name, (run, units) in tried.items():
                began = time.process_time()
                run()
                spent[name].append(1e9 * (time.process_time() - began) / units)
        plain = np.array(spent["NumPy slices, a step", "even"])
        print(f"\n{n} x {n}, float64: ns per cell, and as a part of NumPy's slices")
        for (title, medium), each in spent.items():
            ratio = float(np.median(np.array(each) / plain))
            print(f"{title:24}{medium:22}{min(each):8.2f}{ratio:8.3f}")


if __name__ == "__main__":
    main()
