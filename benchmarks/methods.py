"""One jump of a 256 x 256 field by each method, beside what one would write with SciPy or NumPy.

All candidates take turns in one run, and ratios are taken turn by turn, so that a machine whose
speed drifts does not decide. Errors are relative, in L2, against the dense matrices of both axes.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import fft, linalg, ndimage

import diffusim as ds
from diffusim import runs
from diffusim.methods import Method

N, SIGMA, ROUNDS, PARTICLES = 256, 10.0, 7, 10**6


def candidates(u: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    grid = ds.Grid(shape=(N, N), size=(float(N), float(N)))
    water, stop = ds.Diffusion(diffusivity=0.5), SIGMA**2
    theta = np.pi * np.arange(N) / N
    rate = 0.5 * (2.0 - 2.0 * np.cos(theta))
    decay = np.exp(-stop * (rate[:, None] + rate[None, :]))
    generator = np.random.Generator(np.random.SFC64(1))
    cumulative = np.cumsum(u.ravel()) / u.sum()

    def by(word: str, **options: object) -> Callable[[], np.ndarray]:
        method = Method.find(word).model_validate(options)
        course = runs.plan(method, water, grid, [stop], seed=1)
        return lambda: list(course.frames(u))[-1].field

    def scipy_script() -> np.ndarray:
        return np.asarray(fft.idctn(fft.dctn(u, norm="ortho") * decay, norm="ortho"))

    def numpy_particles() -> np.ndarray:
        cell = np.searchsorted(cumulative, generator.random(PARTICLES))
        counts = np.zeros((2, PARTICLES))
        for k, start in enumerate(np.divmod(cell, N)):
            x = start + generator.random(PARTICLES) + SIGMA * generator.standard_normal(PARTICLES)
            x = np.abs(x) % (2 * N)
            counts[k] = np.minimum(np.where(x > N, 2 * N - x, x), N - 1e-9)
        index = counts[0].astype(int) * N + counts[1].astype(int)
        return np.bincount(index, minlength=N * N).reshape(N, N) * (u.sum() / PARTICLES)

    return {
        "modes": by("modes"),
        "scipy dctn": scipy_script,
        "ndimage.gaussian_filter": lambda: ndimage.gaussian_filter(u, SIGMA, truncate=8.0),
        "chebyshev": by("chebyshev"),
        "ftcs": by("ftcs"),
        "walkers, 1e6": by("walkers", particles=PARTICLES),
        "NumPy particles, 1e6": numpy_particles,
    }


def truth(u: np.ndarray) -> np.ndarray:
    second = np.diag(np.full(N - 1, 1.0), 1) + np.diag(np.full(N - 1, 1.0), -1)
    step = linalg.expm(0.5 * SIGMA**2 * (second - np.diag(second.sum(axis=0))))
    return np.asarray(step @ u @ step.T)


def main() -> None:
    u = np.random.default_rng(0).random((N, N))
    u[100:140, 60:200] += 3.0
    exact, tried = truth(u), candidates(u)
    errors = {n: linalg.norm(f() - exact) / linalg.norm(exact) for n, f in tried.items()}
    spent: dict[str, list[float]] = {name: [] for name in tried}
    for _ in range(ROUNDS):
        for name, f in tried.items():
            started = time.process_time()
            f()
            spent[name].append(time.process_time() - started)
    first = np.array(spent["scipy dctn"])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent,
    ).stdout.strip()  # fmt: skip
    print(f"one jump of {SIGMA:g} cells on {N} x {N}, processor time, commit {commit or 'unknown'}")
    print(f"{'':26}{'ms':>10}{'x scipy dctn':>14}{'error':>12}")
    for name, seconds in spent.items():
        ratio = float(np.median(np.array(seconds) / first))
        print(f"{name:26}{1e3 * np.median(seconds):10.3f}{ratio:14.2f}{errors[name]:12.1e}")


if __name__ == "__main__":
    main()
