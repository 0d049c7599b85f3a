"""Normalised correlation with a template, beside scikit-image's `match_template`.

    python benchmarks/matching.py [--cells 128 256 512 1024 2048] [--rounds 9]

Pictures are noise, templates parts of them. "fit" asks only where the template fits, "zero" with
zeros beyond the rim. Candidates take turns; ratios are the medians of the rounds' own, to ours, and
differences are the largest between the two at any place. scikit-image takes part if installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from diffusim import match

try:
    from skimage.feature import match_template
except ImportError:
    match_template = None

Scores = Callable[[], np.ndarray]


def candidates(u: np.ndarray, t: np.ndarray, pad: Any) -> dict[str, Scores]:
    found: dict[str, Scores] = {"diffusim": lambda: match.correlate(u, t, pad=pad)}
    found["diffusim, masked"] = lambda: match.correlate(u, t, pad=pad, mask=np.ones(t.shape))
    found["diffusim, zero-mean"] = lambda: match.correlate(u, t, "zero-mean", pad=pad)
    if match_template is not None:
        found["scikit-image"] = lambda: match_template(u, t, pad_input=pad == "zero")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    for n in options.cells:
        whole, size = np.random.default_rng(1).random((n, n)), max(8, n // 12)
        for dtype in (np.float64, np.float32):
            for pad in ("fit", "zero"):
                u = whole.astype(dtype)
                t = u[n // 3 : n // 3 + size, n // 4 : n // 4 + size + 3].copy()
                print(f"\n{n} x {n}, template {size} x {size + 3}, {np.dtype(dtype).name}, {pad}")
                run(candidates(u, t, pad), options.rounds if n < 1000 else 3)


def run(found: dict[str, Scores], rounds: int) -> None:
    own = found["diffusim"]()
    apart = {name: float(np.max(np.abs(scores() - own))) for name, scores in found.items()}
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, scores in found.items():
            began = time.perf_counter()
            scores()
            times[name].append(time.perf_counter() - began)
    for name, taken in times.items():
        ratio = statistics.median(t / o for t, o in zip(taken, times["diffusim"], strict=True))
        differs = "" if name.endswith("zero-mean") else f"  differs by {apart[name]:.1e}"
        print(f"  {name:<22}{1e3 * min(taken):9.3f} ms  x {ratio:5.2f}{differs}")


if __name__ == "__main__":
    main()
