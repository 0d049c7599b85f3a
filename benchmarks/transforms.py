"""How fast the compiled transforms are: there, multiplied and back, beside SciPy's.

    python benchmarks/transforms.py [--cells 64 256 1024 2048] [--rounds 9]

As in `loops.py`: candidates take turns, times are the least of all rounds, ratios to the first
candidate the median of the rounds' own; the last column is the time to compile. Errors are relative
to SciPy's in float64.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from loops import Candidates, race
from scipy import fft


def cosines(u: np.ndarray, factor: np.ndarray) -> np.ndarray:
    c = fft.dctn(u, norm="ortho")
    c *= factor
    return np.asarray(fft.idctn(c, norm="ortho", overwrite_x=True))


def rings(u: np.ndarray, factor: np.ndarray) -> np.ndarray:
    c = fft.rfftn(u)
    c *= factor[:, : c.shape[1]]
    return np.asarray(fft.irfftn(c, u.shape, overwrite_x=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[64, 256, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    os.environ["DIFFUSIM_CACHE"] = str(Path(folder.name) / "empty")
    from diffusim.loops.transforms import COSINE, RING, Pair

    for name, kind, theirs in (("cosines", COSINE, cosines), ("rings", RING, rings)):
        for n in options.cells:
            angles = np.pi * np.arange(n) / n if kind == COSINE else 2 * np.pi * fft.fftfreq(n)
            factor = np.exp(-(angles[:, None] ** 2) - angles**2)
            whole = np.random.default_rng(1).random((n, n))
            wanted = theirs(whole, factor)
            for dtype in (np.float64, np.float32):
                u, pair = whole.astype(dtype), Pair((n, n), (kind, kind))
                own = [np.exp(-(pair.angles(axis) ** 2)).astype(dtype) for axis in (0, 1)]
                out, single = np.empty_like(u), factor.astype(dtype)

                def ours(pair=pair, u=u, out=out, own=own) -> None:  # type: ignore[no-untyped-def]
                    pair.carry(u, out, *own)

                def scipys(theirs=theirs, u=u, single=single) -> None:  # type: ignore[no-untyped-def]
                    theirs(u, single)

                both: Candidates = {"diffusim": (ours, n * n), "SciPy": (scipys, n * n)}
                race(f"{name} {n} {np.dtype(dtype).name}", "cell", both, options.rounds)
                error = np.linalg.norm(out - wanted) / np.linalg.norm(wanted)
                print(f"{'':<22} error {error:.1e}")


if __name__ == "__main__":
    main()
