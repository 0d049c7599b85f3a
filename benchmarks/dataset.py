"""How fast datasets are made: solving, looking, writing, and all of it beside a bare writer.

    python benchmarks/dataset.py [--cells 256] [--trajectories 64] [--rounds 5] [--workers 1 2]

Even water between closed sides, 21 frames at even times from zero on, the last one at
D t / h^2 = 125 (a spread of 16 cells), stored in float32. Parts are processor time of one core, the
least of all rounds, since a busy machine can only add to it; candidates take turns, and the ratio
is the median of the rounds' own. The second table is time by the clock: making without a disk by
one process and by several at once, and the whole command, with checks, sums, sha256 and fsync,
beside a writer that has its frames already and does nothing but h5py and fsync. Ratios are those of
the same round.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before anything imports numpy: one thread for each process.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from scipy import fft  # noqa: E402

from diffusim.dataset import checking, engine  # noqa: E402
from diffusim.dataset.making import Maker  # noqa: E402
from diffusim.dataset.recipe import Recipe  # noqa: E402
from diffusim.dataset.starts import start_of  # noqa: E402

SCENARIO = """
grid: {{shape: [{cells}, {cells}], size: [{cells} mm, {cells} mm]}}
propagator: {{kind: diffusion, diffusivity: 1e-9 m^2/s}}
initial: {{kind: halves, angle: 30, values: [1.0, 0.0]}}
times: {{stop: 125000 s, frames: 21}}
methods: [modes]
seed: 1
dataset:
  trajectories: {{train: {trajectories}}}
  vary:
    propagator.diffusivity: {{uniform: [0.9e-9 m^2/s, 1.1e-9 m^2/s]}}
    initial.angle: {{uniform: [0, 360]}}
"""


def recipe_of(folder: Path, cells: int, trajectories: int) -> Recipe:
    path = folder / "benchmark.yaml"
    path.write_text(SCENARIO.format(cells=cells, trajectories=trajectories))
    return Recipe.read(path)


# --- parts --------------------------------------------------------------------------------------


class Parts:
    """What is done for each trajectory, piece by piece, on one trajectory's own data."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.maker = recipe, Maker(recipe)
        self.out = np.empty((len(recipe.times), *recipe.shape), np.float32)
        self.number = 0
        self.begin()

    def begin(self) -> None:
        self.number = (self.number + 1) % self.recipe.count
        self.trajectory = self.recipe.trajectory(self.number)
        self.u = start_of(self.trajectory.scenario)

    def solve(self) -> None:
        """The medium and all frames of it: what `diffusim` does where the naive script solves."""
        medium = self.maker._in(self.trajectory, self.u)
        assert medium.symbol is not None
        medium.symbol.frames(self.u, self.recipe.times, self.out)

    def naive(self) -> None:
        """The obvious script: transforms of SciPy in float64, frame by frame."""
        scenario = self.trajectory.scenario
        rates = 0.0
        for axis, n in enumerate(self.recipe.shape):
            theta = np.pi * np.arange(n) / n
            own = 4.0 * np.sin(0.5 * theta) ** 2 / scenario.grid.spacing[axis] ** 2
            rates = rates + scenario.grid.along(axis, scenario.propagator.diffusivity * own)
        c = fft.dctn(self.u, norm="ortho")
        for frame, t in zip(self.out, self.recipe.times, strict=True):
            frame[...] = fft.idctn(c * np.exp(-rates * t), norm="ortho")

    def survey(self) -> None:
        checking.surveyed(self.out, self.recipe.grid, 1.0, 1.0)

    def again(self) -> None:
        medium = self.maker._medium
        assert medium is not None
        whole = checking.Course(medium.grid, medium.propagator, self.recipe.times, {},
                                self.maker._segments(medium))  # fmt: skip
        self.maker._second.checked(whole, self.trajectory.seed, self.u, self.out, {})


def parts(recipe: Recipe, rounds: int) -> None:
    one = Parts(recipe)
    candidates: dict[str, Callable[[], None]] = {
        "draw and start": one.begin, "solve": one.solve, "survey": one.survey,
        "one interval again": one.again, "naive SciPy": one.naive,
    }  # fmt: skip
    told: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(12 * rounds):
        for name, run in candidates.items():
            started = time.process_time()
            run()
            told[name].append(time.process_time() - started)
    least = {name: min(seconds) for name, seconds in told.items()}
    whole = sum(seconds for name, seconds in least.items() if name != "naive SciPy")
    print(f"{'one core':<22}{'ms':>8}{'a second':>10}{'share':>8}")
    for name, seconds in least.items():
        share = "" if name == "naive SciPy" else f"{100 * seconds / whole:6.0f} %"
        print(f"{name:<22}{1e3 * seconds:8.2f}{1 / seconds:10.0f}{share:>8}")
    print(f"{'all but the script':<22}{1e3 * whole:8.2f}{1 / whole:10.0f}")
    pairs = zip(told["naive SciPy"], told["solve"], strict=True)
    print(f"naive SciPy / solve: {statistics.median(a / b for a, b in pairs):.1f}")
    print(f"survey reads {one.out.nbytes / least['survey'] / 1e9:.1f} GB/s\n")


# --- all of it ----------------------------------------------------------------------------------


def make_some(recipe: Recipe, first: int, step: int) -> int:
    """Make every so many-th trajectory, without a disk."""
    maker = Maker(recipe)
    for index in range(first, recipe.count, step):
        maker.make(index)
    return maker.recipe.count


def bare(folder: Path, frames: np.ndarray, shards: int) -> None:
    """Write shards of frames that are there already: h5py, fsync, nothing else."""
    for number in range(shards):
        path = folder / f"{number}.hdf5"
        with h5py.File(path, "w") as file:
            file.create_dataset("u", data=frames, chunks=(1, 1, *frames.shape[2:]))
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def whole(recipe: Recipe, cells: int, rounds: int, counts: list[int]) -> None:
    shard = recipe.dataset.shard
    frames = np.random.default_rng(1).random((shard, len(recipe.times), cells, cells), np.float32)
    context = multiprocessing.get_context("forkserver")
    pools = {count: concurrent.futures.ProcessPoolExecutor(count, context) for count in counts}
    told: dict[str, list[float]] = {}

    def take(name: str, run: Callable[[Path], object]) -> None:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            started = time.perf_counter()
            run(Path(folder))
            told.setdefault(name, []).append(time.perf_counter() - started)

    def made(count: int) -> None:
        list(pools[count].map(make_some, [recipe] * count, range(count), [count] * count))

    for count in counts:
        made(count)  # so that processes are there and loops are loaded
    for _ in range(rounds):
        take("bare h5py + fsync", lambda folder: bare(folder, frames, recipe.count // shard))
        for count in counts:
            take(f"making, {count} at once", lambda _folder, n=count: made(n))
        for count in counts:
            take(f"whole, {count} workers",
                 lambda folder, n=count: engine.write(recipe, folder, workers=n))  # fmt: skip
    size = recipe.count * frames[0].nbytes
    print(f"{'by the clock':<22}{'a second':>10}{'MB/s':>8}   beside bare (all rounds)")
    for name, seconds in told.items():
        middle = statistics.median(seconds)
        ratios = [b / s for b, s in zip(told["bare h5py + fsync"], seconds, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name:<22}{recipe.count / middle:10.1f}{size / middle / 1e6:8.0f}   {spread}")
    if {1, 2} <= set(counts):
        ones, twos = told["making, 1 at once"], told["making, 2 at once"]
        gains = [a / b for a, b in zip(ones, twos, strict=True)]
        print(f"making, two at once beside one: {statistics.median(gains):.2f} times as fast "
              f"({min(gains):.2f} to {max(gains):.2f})")  # fmt: skip
    for pool in pools.values():
        pool.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--trajectories", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="none: parts only")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        recipe = recipe_of(folder, options.cells, options.trajectories)
        print(f"{options.trajectories} trajectories, 21 frames of {options.cells} x "
              f"{options.cells}, float32\n")  # fmt: skip
        parts(recipe, options.rounds)
        if options.workers:
            whole(recipe, options.cells, options.rounds, options.workers)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
