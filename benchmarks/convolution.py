"""One jump of diffusion by convolution, beside SciPy's, OpenCV's and a transform pair of SciPy.

    python benchmarks/convolution.py [--cells 256 2048] [--spreads 1 2 5 10 30] [--rounds 7]

The spread is the standard deviation in cells; sides are mirrors. Errors are relative, in L2, to the
law that each of them means: exp(t L) of the cells, or, for filters that sample a Gaussian, the
smooth equation. Candidates take turns; ratios are the medians of the rounds' own, to `auto`. At a
loose tolerance `auto` may leave out what the filters leave out. OpenCV takes part if installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import fft, ndimage

from diffusim import convolve, kernels
from diffusim.grid import Grid
from diffusim.medium.modes import symbol
from diffusim.methods.gaussian import Gaussian
from diffusim.propagators.diffusion import Diffusion

try:
    import cv2

    cv2.setNumThreads(1)
except ImportError:
    cv2 = None

Jump = Callable[[], np.ndarray]
MIRRORS = (("reflect", "reflect"),) * 2


def factors(n: int, spread: float, law: str) -> np.ndarray:
    theta = np.pi * np.arange(n) / n
    rate = 4.0 * np.sin(0.5 * theta) ** 2 if law == "lattice" else theta**2
    return np.exp(-0.5 * spread**2 * rate)


def pair(u: np.ndarray, spread: float, law: str) -> np.ndarray:
    f0, f1 = (factors(n, spread, law).astype(u.dtype) for n in u.shape)
    c = fft.dctn(u, norm="ortho")
    c *= f0[:, None] * f1
    return np.asarray(fft.idctn(c, norm="ortho", overwrite_x=True))


def candidates(u: np.ndarray, spread: float) -> dict[str, tuple[Jump, str]]:
    n, single = u.shape[0], u.dtype == np.float32
    grid = Grid(shape=u.shape, size=(float(n), float(n)))
    water, t = Diffusion(diffusivity=0.5), spread**2
    modes = symbol(grid, water.generator(grid, 0.0), "lattice")
    found: dict[str, tuple[Jump, str]] = {}

    def ours(tolerance: float, which: str) -> Jump:
        half = kernels.half(kernels.truncated(kernels.lattice(t), tolerance)[0])
        by_sums = Gaussian.seconds(u.shape, [half, half])
        if which == "gaussian" or (which == "auto" and by_sums < modes.seconds(t, tolerance)):
            return lambda: convolve.separable(u, [half, half], MIRRORS)
        return lambda: modes.carry(u, t, tolerance)

    exact, loose = (1e-8, 1e-5) if single else (1e-14, 1e-7)
    for which in ("auto", "modes", "gaussian"):
        found[which] = ours(exact, which), "lattice"
    found[f"auto to {loose:g}"] = ours(loose, "auto"), "lattice"
    found["SciPy dctn pair"] = (lambda: pair(u, spread, "lattice")), "lattice"
    if spread * n <= 2e4:
        found["SciPy gaussian_filter"] = (
            lambda: ndimage.gaussian_filter(u, spread, mode="reflect", truncate=5.5)
        ), "continuum"  # fmt: skip
    if cv2 is not None and spread * n <= 2e4:
        size = 2 * round(5.5 * spread) + 1
        found["OpenCV GaussianBlur"] = (
            lambda: cv2.GaussianBlur(u, (size, size), spread, borderType=cv2.BORDER_REFLECT)
        ), "continuum"  # fmt: skip
    return found


def start(n: int) -> np.ndarray:
    u = np.random.default_rng(1).random((n, n))
    u[n // 4 : n // 2, n // 3 : n // 2] += 3.0
    u[n // 2, n // 2] += 100.0
    return u


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[256, 2048])
    parser.add_argument("--spreads", type=float, nargs="+", default=[1, 2, 5, 10, 30])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for n in options.cells:
        whole = start(n)
        for dtype in (np.float64, np.float32):
            for spread in options.spreads:
                u = whole.astype(dtype)
                truths = {law: pair(whole, spread, law) for law in ("lattice", "continuum")}
                print(f"\n{n} x {n}, {np.dtype(dtype).name}, spread {spread:g} cells")
                run(candidates(u, spread), truths, options.rounds if n < 1000 else 3)


def run(found: dict[str, tuple[Jump, str]], truths: dict[str, np.ndarray], rounds: int) -> None:
    errors = {}
    for name, (jump, law) in found.items():
        errors[name] = np.linalg.norm(jump() - truths[law]) / np.linalg.norm(truths[law])
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, (jump, _law) in found.items():
            began = time.perf_counter()
            jump()
            times[name].append(time.perf_counter() - began)
    for name, taken in times.items():
        ratio = statistics.median(t / o for t, o in zip(taken, times["auto"], strict=True))
        print(f"  {name:<24}{1e3 * min(taken):9.3f} ms  x {ratio:6.2f}  error {errors[name]:.1e}")


if __name__ == "__main__":
    main()
