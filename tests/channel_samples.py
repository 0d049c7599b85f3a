"""What the tests of channels share: a grid, an image of random colours, and drawn particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from diffusim.block import Array
from diffusim.grid import Grid

GRID = Grid(shape=(12, 9), size=(0.012, 0.009))


def picture(folder: Path, mode: str = "RGB", size: tuple[int, int] = (24, 18)) -> Path:
    """An image of random pixels."""
    bands = {"RGB": 3, "RGBA": 4, "L": 1, "LA": 2}[mode]
    pixels = np.random.default_rng(5).integers(20, 256, (size[1], size[0], bands), dtype=np.uint8)
    path = folder / "colours.png"
    Image.fromarray(pixels.squeeze()).save(path)
    return path


def counted(frames: Array, particles: int, seed: int = 2) -> Array:
    """So many particles drawn from every channel of every frame."""
    rng = np.random.default_rng(seed)
    drawn = [[rng.multinomial(particles, u.ravel() / u.sum()).reshape(u.shape) for u in frame]
             for frame in frames]  # fmt: skip
    return np.array(drawn)
