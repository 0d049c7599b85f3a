"""How fast the compiled loops are: against the same ones in C, NumPy's slices and its deviates.

    python benchmarks/loops.py [--cells 256] [--particles 1000000] [--rounds 9]

The candidates of a group take turns, so that a busy machine slows all of them alike; times are the
least of all rounds and ratios, to the first candidate, the median of the rounds' own. Compile times
are those of a first call with an empty cache.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import math
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# A loop over all cells as `diffusim.loops.sweeps` has it; the words in capitals are replaced.
C_SWEEP = """
static inline void NAME_once(long n0, long n1, double g, double m, double c, double s,
    double *restrict u, double *restrict w, double *restrict result, double *restrict total,
    const double *restrict up0, const double *restrict down0, const double *restrict up1,
    const double *restrict down1, const double *restrict inverse0, const double *restrict inverse1,
    const double *restrict loss, const double *restrict source)
{
    for (long i = 0; i < n0; i++) {
        ptrdiff_t down = i > 0 ? -n1 : 0, up = i < n0 - 1 ? n1 : 0;
        for (long j = 0; j < n1; j += n1 - 1) {
            long k = i * n1 + j, left = j > 0 ? k - 1 : k, right = j < n1 - 1 ? k + 1 : k;
            BODY
        }
        for (long j = 1; j < n1 - 1; j++) {
            long k = i * n1 + j, left = k - 1, right = k + 1;
            BODY
        }
    }
}
void NAME(long count, long n0, long n1, double *u, double *w, double *result, double *total,
    const double *up0, const double *down0, const double *up1, const double *down1,
    const double *inverse0, const double *inverse1, const double *loss, const double *source)
{
    for (long t = 0; t < count; t++) {
        NAME_once(n0, n1, 0.9, 0.3, 0.1, 0.2, u, w, result, total,
                  up0, down0, up1, down1, inverse0, inverse1, loss, source);
        SWAP
    }
}
"""
C_BODIES = {
    "step": "TOTAL(u[k]) w[k] = u[k] + GAIN(u, u);",
    "expand": "double change = g * GAIN(u, u) + m * (u[k] - w[k]); TOTAL(s * u[k])"
    " result[k] += c * change; w[k] = u[k] + change;",
    "rate": "w[k] = GAIN(u, u);",
    "correct": "result[k] += total[k] + 0.5 * GAIN(u, w);",
}
C_FACES = {
    "numbers": ["up0[0]", "up0[0]", "up1[0]", "up1[0]"],
    "vectors": ["up0[i]", "up0[i + 1]", "up1[j]", "up1[j + 1]"],
    "fields": ["up0[k]", "up0[k + n1]", "up1[k + i]", "up1[k + i + 1]"],
}

KINDS = tuple(C_BODIES)
SHAPES = ("numbers", "vectors", "fields", "flow")
# Closed cells of one size; those of unequal sizes; with loss and source and, where kept, the total.
MEDIA = ("", "unequal", "open")

Run = Callable[[], None]
Candidates = dict[str, tuple[Run, float]]  # what to run, and how many units of work that is


def in_c(kind: str, shape: str, medium: str) -> str:
    """Return one sweep in C, with the same order of arithmetic."""
    faces = C_FACES["fields" if shape == "flow" else shape]
    losses = {"a": "", "b": ""}
    axes = []
    for axis, (field, below, above) in enumerate((("a", "down", "up"), ("b", "left", "right"))):
        low, high = faces[2 * axis : 2 * axis + 2]
        below, above = (
            f"{field}[k + {v}]" if axis == 0 else f"{field}[{v}]" for v in (below, above)
        )
        here = f"{field}[k]"
        flow = f"{low} * ({below} - {here}) + {high} * ({above} - {here})"
        if shape == "flow":
            out, back = low.replace("up", "down"), high.replace("up", "down")
            flow = f"({low} * {below} - {out} * {here}) + ({back} * {above} - {high} * {here})"
        if medium == "unequal":
            flow = f"({flow}) * inverse{axis}[{'ij'[axis]}]"
        if medium == "open" and kind == "correct":
            losses[field] = f" - {'loss' if axis == 0 else 'source'}[k] * {here}"
        axes.append(f"(({flow}){losses[field]})")
    gain = " + ".join(axes)
    if medium == "open" and kind != "correct":
        gain = f"({gain} - loss[k] * a[k]) + source[k]"
    body = C_BODIES[kind]
    if kind != "correct":
        body = re.sub(r"TOTAL\((.*?)\)", r"total[k] += \1;" if medium == "open" else "", body)
    body = re.sub(
        r"GAIN\((\w), (\w)\)",
        lambda found: "(" + gain.replace("a[", found[1] + "[").replace("b[", found[2] + "[") + ")",
        body,
    )
    swap = "double *v = u; u = w; w = v;" if kind in ("step", "expand") else ""
    name = "_".join(filter(None, (kind, shape, medium)))
    return C_SWEEP.replace("NAME", name).replace("BODY", body).replace("SWAP", swap)


def loops_in_c(folder: Path) -> ctypes.CDLL | None:
    """Compile all sweeps in C; None without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "sweeps.c", folder / "sweeps.so"
    variants = itertools.product(KINDS, SHAPES, MEDIA)
    source.write_text("#include <stddef.h>\n" + "".join(in_c(*variant) for variant in variants))
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
            f"{title if name == ours else '':<22} {name:<13} {least:<24} {ratio:7.2f} {compiling}"
        )


def sweep(kind: str, shape: str, medium: str, n: int, library: ctypes.CDLL | None) -> Candidates:
    """Return one sweep as it is, in C and, the simplest of each kind, in slices of NumPy arrays."""
    from diffusim.loops import sweeps

    count, rng = 50, np.random.default_rng(1)
    across, along = {"numbers": ((), ()), "vectors": (n + 1, n + 1)}.get(
        shape, ((n + 1, n), (n, n + 1))
    )
    faces: list[Any] = [rng.random(size) / 8 for size in (across, across, along, along)]
    if shape != "flow":
        faces[1] = faces[3] = None
    given = [float(v) if np.ndim(v) == 0 and v is not None else v for v in faces]
    inverses = [rng.random(n) for _ in range(2)] if medium == "unequal" else [None, None]
    rates = [rng.random((n, n)) / 50 for _ in range(2)] if medium == "open" else [None, None]
    rest = *given, *inverses, *rates, False, False
    u, w, result, total = rng.random((4, n, n))
    others = [v.copy() for v in (u, w, result, total)]
    kept = total if medium == "open" else None
    factors = [np.full(count, v) for v in (0.1, 0.3, 0.1, 0.2)]

    def ours() -> None:
        if kind == "step":
            sweeps.step(u, w, kept, count, *rest)
        elif kind == "expand":
            sweeps.expand(w, u, result, kept, *factors, *rest)
        else:
            for _ in range(count):
                if kind == "rate":
                    sweeps.rate(w, u, *rest)
                else:
                    sweeps.correct(result, total, u, w, *rest)

    def loop_in_c() -> None:
        pointers = [
            None if v is None else np.asarray(v).ctypes.data_as(ctypes.c_void_p)
            for v in (*others, *faces, *inverses, *rates)
        ]
        getattr(library, "_".join(filter(None, (kind, shape, medium))))(
            *(ctypes.c_long(k) for k in (count, n, n)), *pointers
        )

    candidates: Candidates = {"diffusim": (ours, count * n * n)}
    if library is not None:
        candidates["C, gcc -O3"] = (loop_in_c, count * n * n)
    if medium == "" and kind == "step":
        candidates["NumPy slices"] = slices(faces, n)
    return candidates


def slices(faces: list[Any], n: int) -> tuple[Run, float]:
    """Return a step in slices of NumPy arrays, each flow computed once and kept."""
    up0, down0, up1, down1 = faces
    u = np.random.default_rng(1).random((n, n))

    def inner(face: Any, axis: int) -> Any:
        if np.ndim(face) == 0:
            return face
        return face[1:-1, None] if face.ndim == 1 and axis == 0 else (
            face[1:-1] if axis == 0 or face.ndim == 1 else face[:, 1:-1])  # fmt: skip

    def run() -> None:
        for _ in range(10):
            if down0 is None:
                across = inner(up0, 0) * (u[1:] - u[:-1])
                along = inner(up1, 1) * (u[:, 1:] - u[:, :-1])
            else:
                across = inner(down0, 0) * u[1:] - inner(up0, 0) * u[:-1]
                along = inner(down1, 1) * u[:, 1:] - inner(up1, 1) * u[:, :-1]
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
    from diffusim.loops import hops, particles

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
    terms = [k * math.log(16.0) - 16.0 - math.lgamma(k + 1) for k in range(90)]
    tail = np.append(np.cumsum(np.exp(terms)), 1.0)
    for mean in (4, 40, 400):
        few = n // mean

        def hopping(few: int = few, mean: int = mean) -> None:
            hops.hop(cell[:few], 0, 1, 2, 0.0, mean, tail, thresholds, True, True, counts)

        candidates[f"hop, mean {mean}"] = {"diffusim": (hopping, few * mean)}
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
        print(f"{'':<22} {'':<13} {'least time':<24} {'ratio':>7} {'compile, s':>8}")
        for kind, shape, medium in itertools.product(KINDS, SHAPES, MEDIA):
            candidates = sweep(kind, shape, medium, asked.cells, library)
            race(f"{kind} {shape} {medium}", "cell-step", candidates, asked.rounds)
        race("normal deviates", "deviate", deviates(asked.particles), asked.rounds)
        for planes in ("box", "cells", "wrap"):
            candidates = jumps(asked.cells, asked.particles, planes)
            race(f"jump, {planes}", "jump", candidates, asked.rounds)
        for title, candidates in thrown(asked.cells, asked.particles).items():
            race(title, "hop" if "hop" in title else "particle", candidates, asked.rounds)


if __name__ == "__main__":
    main()
