"""How fast the compiled loops are: against the same ones in C, NumPy's slices and its deviates.

    python benchmarks/loops.py [--cells 256] [--particles 1000000] [--rounds 9]

The candidates of a group take turns, so that a busy machine slows all of them alike; times are the
least of all rounds and ratios, to the first candidate, the median of the rounds' own. Compile times
are those of a first call with an empty cache.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

C_SOURCE = """
#include <stddef.h>
#define FLOW(low, high, below, above) ((low) * ((below) - u[k]) + (high) * ((above) - u[k]))
#define SWEEP(NAME, LOW0, HIGH0, LOW1, HIGH1, GAIN) \\
void NAME(double *restrict u, double *restrict w, double *restrict total, \\
          long count, long n0, long n1, \\
          const double *restrict a, const double *restrict b, const double *restrict c, \\
          const double *restrict d) \\
{ \\
    for (long s = 0; s < count; s++) { \\
        for (long i = 0; i < n0; i++) { \\
            ptrdiff_t down = i > 0 ? -n1 : 0, up = i < n0 - 1 ? n1 : 0; \\
            for (long j = 0; j < n1; j += n1 - 1) { \\
                long k = i * n1 + j, left = j > 0 ? k - 1 : k, right = j < n1 - 1 ? k + 1 : k; \\
                double gain = FLOW(LOW0, HIGH0, u[k + down], u[k + up]) \\
                            + FLOW(LOW1, HIGH1, u[left], u[right]); \\
                GAIN \\
            } \\
            for (long j = 1; j < n1 - 1; j++) { \\
                long k = i * n1 + j; \\
                double gain = FLOW(LOW0, HIGH0, u[k + down], u[k + up]) \\
                            + FLOW(LOW1, HIGH1, u[k - 1], u[k + 1]); \\
                GAIN \\
            } \\
        } \\
        double *t = u; u = w; w = t; \\
    } \\
}
#define STEP w[k] = u[k] + gain;
#define EXPAND double next = gain + (1.9 * u[k] + -0.9 * w[k]); total[k] += 0.1 * next; w[k] = next;
SWEEP(step_numbers, a[0], a[0], c[0], c[0], STEP)
SWEEP(step_vectors, a[i], b[i], c[j], d[j], STEP)
SWEEP(step_fields, a[k], b[k], c[k], d[k], STEP)
SWEEP(expand_numbers, a[0], a[0], c[0], c[0], EXPAND)
SWEEP(expand_vectors, a[i], b[i], c[j], d[j], EXPAND)
SWEEP(expand_fields, a[k], b[k], c[k], d[k], EXPAND)
"""

Run = Callable[[], None]
Candidates = dict[str, tuple[Run, float]]  # what to run, and how many units of work that is


def loops_in_c(folder: Path) -> ctypes.CDLL | None:
    """Compile the sweeps in C, with the same order of arithmetic; None without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "sweeps.c", folder / "sweeps.so"
    source.write_text(C_SOURCE)
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


def race(title: str, unit: str, candidates: Candidates, rounds: int) -> None:
    """Print each candidate's time per unit and its ratio to the first one, ours."""
    first: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, (run, amount) in candidates.items():
            start = time.perf_counter()
            run()
            taken = time.perf_counter() - start
            if turn == 0:
                first[name] = taken
            else:
                times[name].append(taken / amount)
    ours = next(iter(candidates))
    for name, taken in times.items():
        ratio = statistics.median(t / o for t, o in zip(taken, times[ours], strict=True))
        compiling = f"{first[name] - min(taken) * candidates[name][1]:8.2f}" if name == ours else ""
        least = f"{min(taken) * 1e9:9.3f} ns/{unit}"
        print(
            f"{title if name == ours else '':<16} {name:<16} {least:<24} {ratio:7.2f} {compiling}"
        )


def sweep(kind: str, variant: str, n: int, library: ctypes.CDLL | None) -> Candidates:
    """Return one sweep as it is and in C, of the same order of arithmetic."""
    from diffusim.loops import sweeps

    count, rng = 100, np.random.default_rng(1)
    shapes = {"numbers": [1] * 4, "vectors": [n] * 4, "fields": [(n, n)] * 4}[variant]
    faces = [rng.random(shape) / 4 for shape in shapes]
    given = (float(faces[0][0]), float(faces[2][0])) if variant == "numbers" else faces
    fields = rng.random((3, n, n))
    others = fields.copy()
    loop, weights = getattr(sweeps, f"{kind}_{variant}"), np.full(count, 0.1)

    def ours() -> None:
        u, w, total = fields
        if kind == "step":
            loop(u, w, count, *given, False, False)
        else:
            loop(w, u, total, weights, *given, 1.9, -0.9, False, False)

    def in_c() -> None:
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*others, *faces)]
        sizes = [ctypes.c_long(k) for k in (count, n, n)]
        getattr(library, f"{kind}_{variant}")(*pointers[:3], *sizes, *pointers[3:])

    candidates: Candidates = {"diffusim": (ours, count * n * n)}
    if library is not None:
        candidates["C, gcc -O3"] = (in_c, count * n * n)
    return candidates


def slices(n: int) -> tuple[Run, float]:
    """Return a step in slices of NumPy arrays, numbers as coefficients."""
    u = np.random.default_rng(1).random((n, n))

    def run() -> None:
        for _ in range(10):
            across, along = 0.2 * (u[1:] - u[:-1]), 0.2 * (u[:, 1:] - u[:, :-1])
            u[:-1] += across
            u[1:] -= across
            u[:, :-1] += along
            u[:, 1:] -= along

    return run, 10 * n * n


def deviates(n: int) -> Candidates:
    """Return normal deviates as they are and from NumPy's generators."""
    from diffusim.loops import random

    out = np.empty((2, n // 2))
    philox, sfc64 = (np.random.Generator(bits(1)) for bits in (np.random.Philox, np.random.SFC64))
    return {
        "diffusim": (lambda: random.normals(out, 0, 1, 2), n),
        "NumPy Philox": (lambda: philox.standard_normal(out=out), n),
        "NumPy SFC64": (lambda: sfc64.standard_normal(out=out), n),
    }


def jumps(cells: int, n: int, planes: str) -> Candidates:
    """Return one jump with reflection and histogram as it is and in whole NumPy arrays."""
    from diffusim.loops import particles

    position = np.random.default_rng(1).random((2, n)) * cells
    other, counts = position.copy(), np.zeros((cells, cells), np.int64)
    generator = np.random.Generator(np.random.SFC64(1))
    edges = np.arange(cells) * 1.0
    floor, ceiling = (edges, edges + 1) if planes == "cells" else (0 * edges, 0 * edges + cells)
    wrap = planes == "wrap"

    def ours() -> None:
        bounds = floor, ceiling, floor, ceiling
        particles.jump(position, 0, 1, 2, 3.0, 3.0, *bounds, wrap, wrap, counts)

    def numpy() -> None:
        for x in other:
            x += 3.0 * generator.standard_normal(n)
            x -= 2.0 * cells * np.rint(x / (2.0 * cells))
            np.abs(x, out=x)
        index = other[0].astype(np.int64) * cells + other[1].astype(np.int64)
        counts[...] += np.bincount(index, minlength=cells**2)[: cells**2].reshape(counts.shape)

    candidates: Candidates = {"diffusim": (ours, n)}
    if planes == "box":
        candidates["NumPy, SFC64"] = (numpy, n)
    return candidates


def thrown(cells: int, n: int) -> dict[str, Candidates]:
    """Return the placing of particles and their walks on the lattice."""
    from diffusim.loops import particles

    position, cell = np.empty((2, n)), np.empty(n, np.int32)
    counts = np.zeros((cells, cells), np.int64)
    cumulative = np.cumsum(np.random.default_rng(2).random(cells**2))
    cumulative /= cumulative[-1]
    thresholds = np.tile((np.arange(1, 5) * 0.2 * 2.0**32).astype(np.uint32), (cells**2, 1))
    candidates: dict[str, Candidates] = {
        "place": {"diffusim": (lambda: particles.place(position, 0, 1, 2, cumulative, counts), n)},
        "draw cells": {
            "diffusim": (lambda: particles.draw_cells(cell, 0, 1, 2, cumulative, counts), n)
        },
        "scatter within": {"diffusim": (lambda: particles.scatter_within(position, 0, 1, 2, 0), n)},
    }
    for mean in (4, 40, 400):
        terms = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(2 * mean + 40)]
        tail = np.cumsum(np.exp(terms))
        tail[-1] = 1.0
        few = n // mean

        def hops(few: int = few, tail: np.ndarray = tail) -> None:
            particles.hop(cell[:few], 0, 1, 2, tail, thresholds, True, True, counts)

        candidates[f"hop, mean {mean}"] = {"diffusim": (hops, few * mean)}
    return candidates


def main() -> None:
    """Run all races and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=256, help="cells per axis")
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIFFUSIM_CACHE"] = str(Path(folder) / "empty")
        library = loops_in_c(Path(folder))
        if library is None:
            print("No C compiler was found: the sweeps are compared with NumPy only.")
        print(f"{'':<16} {'':<16} {'least time':<24} {'ratio':>7} {'compile, s':>8}")
        for kind in ("step", "expand"):
            for variant in ("numbers", "vectors", "fields"):
                candidates = sweep(kind, variant, asked.cells, library)
                if (kind, variant) == ("step", "numbers"):
                    candidates["NumPy slices"] = slices(asked.cells)
                race(f"{kind} {variant}", "cell-step", candidates, asked.rounds)
        race("normal deviates", "deviate", deviates(asked.particles), asked.rounds)
        for planes in ("box", "cells", "wrap"):
            candidates = jumps(asked.cells, asked.particles, planes)
            race(f"jump, {planes}", "jump", candidates, asked.rounds)
        for title, candidates in thrown(asked.cells, asked.particles).items():
            race(title, "hop" if "hop" in title else "particle", candidates, asked.rounds)


if __name__ == "__main__":
    main()
