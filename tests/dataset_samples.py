"""What the tests of datasets share: small scenarios, their datasets, and comparison of these."""

from __future__ import annotations

import hashlib
from pathlib import Path

from diffusim.dataset.engine import write
from diffusim.dataset.recipe import Recipe

SALT = """\
title: Salt in water
grid: {shape: [12, 10], size: [12 mm, 10 mm], edges: {x: periodic, top: {value: 0.5}}}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: halves, angle: 30, values: [1.0, 0.0]}
times: {stop: 6 h, frames: 5}
methods: [chebyshev]
seed: 3
dataset:
  trajectories: {train: 11, valid: 3, test: 2}
  vary:
    propagator.diffusivity: {loguniform: [1e-10 m^2/s, 1e-9 m^2/s]}
    initial.angle: {uniform: [0, 360]}
  check: poisson
  shard: 3
"""
ROD = """\
title: Heat in a rod
grid: {shape: [24], size: [24 mm]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
field: {name: temperature, unit: K}
initial: {kind: noise, mean: 1.0, deviation: 0.1}
times: {stop: 6 h, frames: 4}
methods: [modes]
dataset: {trajectories: {train: 5, valid: 1}, shard: 4}
"""
WALLS = """\
title: Walls and maps
grid: {shape: [12, 10], size: [12 mm, 10 mm]}
propagator:
  kind: diffusion
  diffusivity: {kind: layers, axis: x, at: [6 mm], values: [1e-9, 2e-9]}
  walls: [{axis: y, at: 5 mm, opens: 1 h}]
initial: {kind: halves, angle: 0, values: [1.0, 0.0]}
times: {stop: 6 h, frames: 5}
methods: [chebyshev]
dataset:
  trajectories: {train: 4}
  vary:
    propagator.walls.0.opens: {choice: [0 s, 1 h]}
    initial.angle: {uniform: [0, 360]}
    propagator.diffusivity.values: {choice: [[1e-9, 2e-9], [1e-9, 1e-9]]}
  precision: double
  compression: gzip
"""
ONE = """\
title: A single trajectory
grid: {shape: [8, 8], size: [8 mm, 8 mm]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: halves, angle: 0, values: [1.0, 0.0]}
times: {stop: 6 h, frames: 3}
methods: [modes]
dataset: {trajectories: 1}
"""
# Long enough for something to happen to it amid its work: some hundred shards.
LONG = (
    SALT.replace("[12, 10]", "[32, 30]")
    .replace("train: 11", "train: 120")
    .replace("frames: 5", "frames: 9")
)
EVERY = {"salt": SALT, "rod": ROD, "walls": WALLS, "one": ONE}


def scenario(folder: Path, text: str = SALT, name: str = "salt") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def made(folder: Path, text: str = SALT, name: str = "salt", **options: object) -> Path:
    """Make a dataset in this process and return its folder."""
    recipe = Recipe.read(scenario(folder, text, name))
    return write(recipe, folder, **{"workers": 1, **options}).folder  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, str]:
    """Every file of a dataset but its log, with a hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "dataset.log"
    }


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("data/*/*.hdf5"))


def temporaries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if ".tmp-" in path.name]


def assert_nothing_incomplete(folder: Path, wanted: dict[str, str]) -> None:
    """Whatever has its final name is what it shall be."""
    there = contents(folder) if folder.exists() else {}
    data = {name: digest for name, digest in there.items() if name.endswith(".hdf5")}
    data = {name: digest for name, digest in data.items() if not Path(name).name.startswith(".")}
    assert data.items() <= wanted.items()
    if "manifest.json" in there:
        assert {name for name in wanted if name.endswith(".hdf5")} == data.keys()
