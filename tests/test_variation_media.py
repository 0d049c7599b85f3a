"""Random media: diffusivities, walls and obstacles that a seed decides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Array, Invalid
from diffusim.medium import diffusivity as diffusivities
from diffusim.medium.walls import RandomWalls, resistances


def box(n: int = 48, edges: Any = "no-flux", dimensions: int = 2) -> ds.Grid:
    return ds.Grid(shape=(n,) * dimensions, size=(1.0,) * dimensions, edges=edges)


def water(**keys: Any) -> ds.Diffusion:
    return ds.Diffusion.model_validate({"diffusivity": 1e-9, **keys})


def rock(grid: ds.Grid, **keys: Any) -> Array:
    own = {"kind": "random", "median": 2e-9, "contrast": 0.7, "length": 0.1, **keys}
    made = water(diffusivity=own)
    x, y = diffusivities.in_cells(made.diffusivity, grid)
    np.testing.assert_array_equal(x, y)
    return x


# --- diffusivity --------------------------------------------------------------------------------


def test_the_logarithm_of_a_random_diffusivity_has_its_median_and_contrast() -> None:
    """150 of them on a ring; five deviations of a mean are missed once in 1.7 million, twice."""
    grid = box(edges="periodic")
    logs = np.log([rock(grid, seed=seed) for seed in range(150)]) - math.log(2e-9)
    each, squares = logs.mean((1, 2)), np.mean(logs**2, axis=(1, 2))
    assert abs(each.mean()) < 5 * each.std() / math.sqrt(150)
    assert abs(squares.mean() - 0.49) < 5 * squares.std() / math.sqrt(150)
    assert squares.std() / math.sqrt(150) < 0.02


def test_a_random_diffusivity_is_positive_comes_again_and_is_another_one_for_another_seed() -> None:
    grid = box()
    one = rock(grid, seed=3, contrast=3.0)
    assert np.all(one > 0.0)
    np.testing.assert_array_equal(one, rock(grid, seed=3, contrast=3.0))
    assert np.all(one != rock(grid, seed=4, contrast=3.0))


def test_without_contrast_it_is_its_median() -> None:
    np.testing.assert_array_equal(rock(box(), contrast=0.0), np.full((48, 48), 2e-9))


def test_a_random_diffusivity_may_be_one_of_a_schedule_and_is_uneven() -> None:
    random = {"kind": "random", "median": 1e-9, "contrast": 1.0, "length": 0.1}
    made = water(diffusivity={"kind": "schedule", "at": [0.0, 5.0], "values": [1e-9, random]})
    assert list(made.check(box())) == []
    assert made.events(box()) == (5.0,)
    assert "uneven" in made.traits(box())


# --- walls --------------------------------------------------------------------------------------


def walls(count: int = 200, seed: int = 0, **keys: Any) -> RandomWalls:
    keys = {"lengths": [0.1, 0.3], **keys}
    return RandomWalls.model_validate({"random": count, "seed": seed, **keys})


def test_random_walls_are_the_walls_they_tell_of() -> None:
    for edges in ("no-flux", "periodic"):
        grid = box(edges=edges)
        made = walls(permeability=1e-6)
        each = [wall.model_copy(update={"permeability": 1e-6}) for wall in made.walls(grid)]
        together, apart = (resistances(some, grid, 0.0) for some in ([made], each))
        for found, wanted in zip(together, apart, strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert all(list(wall.problems(grid)) == [] for wall in each)


def test_random_walls_stand_inside_and_are_as_long_as_was_asked_for_but_at_the_rim() -> None:
    grid = box(50)
    found = walls(2000).walls(grid)
    assert len(found) == 2000
    assert all(0.02 - 1e-12 <= wall.at <= 0.98 + 1e-12 for wall in found)
    spans = np.array([wall.span for wall in found])
    inside = (spans[:, 0] > 0.01) & (spans[:, 1] < 0.99)
    lengths = np.diff(spans[inside], axis=1).ravel()
    assert 1200 < lengths.size < 1900
    assert 0.08 - 1e-12 <= lengths.min() < 0.12 < 0.28 < lengths.max() <= 0.32 + 1e-12
    assert np.all(np.diff(spans, axis=1) > 0.019)


def test_random_walls_are_across_either_axis_alike_and_no_place_has_more_than_another() -> None:
    """Chi-square over the places of 4000 walls: missed once in a million, as is the axis."""
    from scipy import stats

    grid = box(41)
    found = walls(4000, lengths=0.2).walls(grid)
    across = np.array([wall.axis == "x" for wall in found])
    assert abs(across.mean() - 0.5) < 5 * 0.5 / math.sqrt(4000)
    at = np.rint(np.array([wall.at for wall in found]) * 41).astype(int)
    assert stats.chisquare(np.bincount(at, minlength=41)[1:]).pvalue > 1e-6
    covered = np.zeros(41)
    for wall in found:
        assert wall.span is not None
        low, high = np.rint(np.array(wall.span) * 41).astype(int)
        covered[low:high] += 1
    # Each wall covers 8.2 cells; walls over a cell are a binomial number of 4000.
    chance = 0.2 / 1.2
    spread = math.sqrt(4000 * chance * (1 - chance))
    # Ends go to the nearest faces, which moves a tenth of them at the rims.
    assert np.max(np.abs(covered - 4000 * chance)) < 5.5 * spread + 40


def test_finer_cells_have_the_same_walls_moved_by_less_than_a_cell() -> None:
    for coarse, fine in zip(walls().walls(box(40)), walls().walls(box(160)), strict=True):
        assert coarse.axis == fine.axis
        assert abs(coarse.at - fine.at) < 1 / 40
        assert coarse.span is not None
        assert fine.span is not None
        np.testing.assert_allclose(coarse.span, fine.span, rtol=0, atol=1 / 40)


def test_walls_of_a_line_are_points_and_none_is_no_wall() -> None:
    grid = box(20, dimensions=1)
    made = RandomWalls.model_validate({"random": 3, "permeability": 1e-6})
    found = resistances([made], grid, 0.0)[0]
    assert np.sum(found) == pytest.approx(3e6, rel=1e-12)
    assert not np.any(found[[0, -1]])
    nothing = walls(0)
    assert list(nothing.problems(box())) == []
    assert not any(np.any(r) for r in resistances([nothing], box(), 0.0))


def test_random_walls_open_and_close_like_others() -> None:
    made = water(walls=[{"random": 5, "lengths": 0.2, "opens": 3.0}])
    assert made.events(box()) == (3.0,)
    assert np.any(np.isinf(resistances(made.walls, box(), 2.0)[0]))
    assert not np.any(resistances(made.walls, box(), 4.0)[0])


# --- obstacles ----------------------------------------------------------------------------------


def solid(grid: ds.Grid, **keys: Any) -> Array:
    made = water(obstacles={"kind": "random", **keys}).obstacles
    assert made is not None
    return made.solid(grid)


@pytest.mark.parametrize(("shape", "area"), [("discs", math.pi / 4 * 0.04), ("boxes", 0.04)])
def test_random_obstacles_on_a_ring_cover_what_independent_ones_do(shape: str, area: float) -> None:
    """100 sets; five deviations of a mean are missed once in 1.7 million."""
    grid = box(100, "periodic")
    parts = np.array([
        solid(grid, count=15, shape=shape, sizes=0.2, seed=seed).mean() for seed in range(100)
    ])  # fmt: skip
    assert abs(parts.mean() - (1 - (1 - area) ** 15)) < 5 * parts.std() / 10 + 2e-3
    assert parts.std() / 10 < 0.01


def test_one_disc_is_round_and_one_box_has_sides_of_its_sizes() -> None:
    grid = box(200, "periodic")
    disc = solid(grid, count=1, sizes=0.3, seed=1)
    assert disc.mean() == pytest.approx(math.pi * 0.15**2, rel=0.01)
    assert np.ptp([disc.any(1).sum(), disc.any(0).sum()]) <= 1
    block = solid(grid, count=1, shape="boxes", sizes=[0.1, 0.4], seed=2)
    wide, high = block.any(1).sum() / 200, block.any(0).sum() / 200
    assert block.mean() == pytest.approx(wide * high, rel=1e-12)
    assert 0.1 - 0.01 <= min(wide, high) < max(wide, high) <= 0.4 + 0.01


def test_no_obstacle_is_none() -> None:
    assert not solid(box(), count=0, sizes=0.1).any()


# --- carried, and refused -----------------------------------------------------------------------


def test_what_is_in_a_random_medium_is_kept_and_carried_alike_by_exact_methods() -> None:
    grid = box(24)
    made = water(
        diffusivity={"kind": "random", "median": 1.0, "contrast": 1.0, "length": 0.1},
        walls=[
            {"random": 20, "lengths": [0.1, 0.4]},
            {"random": 9, "lengths": 0.3, "permeability": 5.0},
        ],
        obstacles={"kind": "random", "count": 4, "sizes": [0.05, 0.2]},
    )
    u = np.random.default_rng(4).random(grid.shape)
    runs = [ds.solve(u, made, grid=grid, times=[0.0, 0.01], method=method).frames
            for method in ("chebyshev", "poisson")]  # fmt: skip
    np.testing.assert_allclose(runs[0][1], runs[1][1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(runs[0][1].sum(), runs[0][0].sum(), rtol=1e-12)


CYLINDER = ds.Grid(geometry="cylindrical", shape=(8, 8), size=(1.0, 1.0))


@pytest.mark.parametrize(
    ("grid", "keys", "words", "path"),
    [
        (CYLINDER, {"walls": [{"random": 1, "lengths": 1}]}, "for boxes", "walls.0.random"),
        (box(1), {"walls": [{"random": 1, "lengths": 1}]}, "no face", "walls.0.random"),
        (box(), {"walls": [{"random": 1}]}, "from how long", "walls.0.lengths"),
        (
            box(),
            {"walls": [{"random": 1, "lengths": [2, 1]}]},
            "shorter one first",
            "walls.0.lengths",
        ),
        (box(), {"walls": [{"random": 1, "lengths": 0}]}, "above zero", "walls.0.lengths"),
        (
            box(9, dimensions=1),
            {"walls": [{"random": 1, "lengths": 1}]},
            "no length",
            "walls.0.lengths",
        ),
        (
            CYLINDER,
            {"obstacles": {"kind": "random", "count": 1, "sizes": 1}},
            "boxes",
            "obstacles.kind",
        ),
        (
            box(),
            {"obstacles": {"kind": "random", "count": 1, "sizes": [2, 1]}},
            "first",
            "obstacles.sizes",
        ),
        (
            box(),
            {"diffusivity": {"kind": "random", "median": 1, "contrast": 1, "length": 1e-3}},
            "less than a cell",
            "diffusivity.length",
        ),
    ],
)
def test_what_a_grid_cannot_hold_is_refused_with_the_key_to_blame(
    grid: ds.Grid, keys: dict[str, Any], words: str, path: str
) -> None:
    problem: Invalid = next(iter(water(**keys).check(grid)))
    assert words in problem.message
    assert ".".join(map(str, problem.path)) == path
