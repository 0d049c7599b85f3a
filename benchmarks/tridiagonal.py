"""How fast tridiagonal lines are solved: against the same in C, plainly and abreast, and SciPy.

    python benchmarks/tridiagonal.py [--cells 16 256 1024 2048] [--rounds 9]

As in `loops.py`: candidates take turns, times are the least of all rounds, ratios to the first
candidate the median of the rounds' own; the last column is the time to compile. What is abreast in
C leaves out the rows beyond the last eight.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from loops import Candidates, race
from scipy.linalg import solve_banded

# P: a factor in cell i of line j, of a vector or of a field stored as for `solve0` and `solve1`.
C_SOURCE = """
#define ARGUMENTS (double *restrict d, const double *restrict scale, \\
    const double *restrict carry, const double *restrict back, long n0, long n1)
#define VECTOR(f, i, j) f[i]
#define FIELD0(f, i, j) f[(i) * n1 + (j)]
#define FIELD1(f, i, j) f[((j) / 8 * n1 + (i)) * 8 + (j) % 8]
#define ALL(NAME, P, Q) \\
void NAME ## _plain0 ARGUMENTS { \\
    for (long j = 0; j < n1; j++) d[j] *= P(scale, 0, j); \\
    for (long i = 1; i < n0; i++) for (long j = 0; j < n1; j++) \\
        d[i * n1 + j] = P(scale, i, j) * d[i * n1 + j] + P(carry, i, j) * d[(i - 1) * n1 + j]; \\
    for (long i = n0 - 2; i >= 0; i--) for (long j = 0; j < n1; j++) \\
        d[i * n1 + j] += P(back, i, j) * d[(i + 1) * n1 + j]; \\
} \\
void NAME ## _plain1 ARGUMENTS { \\
    for (long j = 0; j < n0; j++) { \\
        double *line = d + j * n1, x = 0; \\
        for (long i = 0; i < n1; i++) \\
            line[i] = x = Q(scale, i, j) * line[i] + Q(carry, i, j) * x; \\
        x = 0; \\
        for (long i = n1 - 1; i >= 0; i--) line[i] = x = line[i] + Q(back, i, j) * x; \\
    } \\
} \\
void NAME ## _abreast1 ARGUMENTS { \\
    for (long j = 0; j < n0 / 8 * 8; j += 8) { \\
        double *line = d + j * n1, x[8] = {0}; \\
        for (long i = 0; i < n1; i++) for (int r = 0; r < 8; r++) \\
            x[r] = line[r * n1 + i] = \\
                Q(scale, i, j + r) * line[r * n1 + i] + Q(carry, i, j + r) * x[r]; \\
        for (int r = 0; r < 8; r++) x[r] = 0; \\
        for (long i = n1 - 1; i >= 0; i--) for (int r = 0; r < 8; r++) \\
            x[r] = line[r * n1 + i] = line[r * n1 + i] + Q(back, i, j + r) * x[r]; \\
    } \\
}
ALL(vectors, VECTOR, VECTOR)
ALL(fields, FIELD0, FIELD1)
"""


def lines_in_c(folder: Path) -> ctypes.CDLL | None:
    """Compile the solves in C, with the same order of arithmetic; None without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "lines.c", folder / "lines.so"
    source.write_text(C_SOURCE)
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


def candidates(
    n: int, axis: int, shape: str, wrap: bool, library: ctypes.CDLL | None
) -> Candidates:
    """Return the solve of all lines of n x n cells as it is, in C and by SciPy."""
    from diffusim.loops.tridiagonal import Lines

    rng = np.random.default_rng(1)
    low, high = -rng.random((2, *((n,) if shape == "vectors" else (n, n))))
    lines = Lines(low, 1.0 - low - high, high, axis, wrap)
    fields = rng.random((4, n, n))
    repeats = max(4, 2**20 // n**2)
    work = repeats * n * n

    def ours() -> None:
        fields[0] = fields[3]
        for _ in range(repeats):
            lines.solve(fields[0])

    found: Candidates = {"diffusim": (ours, work)}
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in lines.factors[:3]]
    for k, kind in enumerate(("plain", "abreast")[: axis + 1], start=1):
        if library is None or wrap:
            break
        loop = getattr(library, f"{shape}_{kind}{axis}")

        def in_c(k: int = k, loop: ctypes._CFuncPtr = loop) -> None:
            fields[k] = fields[3]
            place = ctypes.c_void_p(fields[k].ctypes.data)
            for _ in range(repeats):
                loop(place, *pointers, ctypes.c_long(n), ctypes.c_long(n))

        found[f"C, {kind}"] = (in_c, work)
    if shape == "vectors" and not wrap:
        bands = np.zeros((3, n))
        bands[0, 1:], bands[1], bands[2, :-1] = high[:-1], 1.0 - low - high, low[1:]

        def scipy() -> None:
            solve_banded((1, 1), bands, fields[3] if axis == 0 else fields[3].T)

        found["SciPy"] = (scipy, n * n)
    return found


def main() -> None:
    """Run all races and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[16, 256, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIFFUSIM_CACHE"] = str(Path(folder) / "empty")
        library = lines_in_c(Path(folder))
        if library is None:
            print("No C compiler was found: the solves are compared with SciPy only.")
        for n in asked.cells:
            print(f"{n} x {n} cells")
            for shape in ("vectors", "fields"):
                for wrap in (False, True):
                    for axis in (0, 1):
                        title = f"{shape}, axis {axis}{', wrap' * wrap}"
                        race(title, "cell", candidates(n, axis, shape, wrap, library), asked.rounds)


if __name__ == "__main__":
    main()
