"""Walls on pictures: where they stand, as long as they are closed, and what lets something pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from plot_samples import Open, header, opener, random_fields

from diffusim import plots, store
from diffusim.plots import outlines, shown

SHAPE, SIZE = (12, 8), (0.12, 0.08)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def scenario(*walls: dict[str, Any], **medium: Any) -> dict[str, Any]:
    grid = medium.pop("grid", {"shape": list(SHAPE), "size": list(SIZE)})
    return {"grid": grid, "propagator": {"kind": "diffusion", "walls": list(walls), **medium}}


def described(*walls: dict[str, Any], **medium: Any) -> store.Header:
    given = scenario(*walls, **medium)
    shape, size = tuple(given["grid"]["shape"]), tuple(given["grid"]["size"])
    return header(shape, np.array([0.0, 10.0, 20.0]), size=size, scenario=given)


def drawn(lines: np.ndarray) -> set[tuple[float, ...]]:
    """Lines in cells, each from its lower to its higher end."""
    return {tuple(np.round(np.sort(line, axis=0) * 100.0, 6).ravel()) for line in lines}


def test_faces_in_a_row_are_one_line_where_the_wall_stands() -> None:
    full = outlines.outline(described({"axis": "x", "at": 0.05}), 0.0)
    assert drawn(full.tight) == {(5.0, 0.0, 5.0, 8.0)}
    part = outlines.outline(described({"axis": "y", "at": 0.03, "span": [0.02, 0.07]}), 0.0)
    assert drawn(part.tight) == {(2.0, 3.0, 7.0, 3.0)}
    assert len(full.leaky) == len(part.leaky) == 0


def test_a_box_a_slanted_line_and_walls_round_cells_are_drawn_whole() -> None:
    box = outlines.outline(described({"box": {"x": [0.02, 0.05], "y": [0.01, 0.04]}}), 0.0)
    assert drawn(box.tight) == {
        (2.0, 1.0, 2.0, 4.0), (5.0, 1.0, 5.0, 4.0), (2.0, 1.0, 5.0, 1.0), (2.0, 4.0, 5.0, 4.0)
    }  # fmt: skip
    slanted = outlines.outline(described({"line": [[0.0, 0.0], [0.04, 0.04]]}), 0.0)
    lengths = np.abs(np.diff(slanted.tight, axis=1)).sum()
    assert np.isclose(lengths, 0.08, rtol=1e-12, atol=0)
    cells = outlines.outline(described({"every": "cell"}), 0.0)
    assert len(cells.tight) == 13 + 9


def test_walls_round_many_cells_are_drawn_by_their_outline() -> None:
    fine = {"shape": [100, 50], "size": [0.1, 0.05]}
    wall = {"every": "cell", "region": {"x": [0.01, 0.03]}}
    found = outlines.outline(described(wall, grid=fine), 0.0)
    assert drawn(found.tight) == {
        (1.0, 0.0, 1.0, 5.0), (3.0, 0.0, 3.0, 5.0), (1.0, 0.0, 3.0, 0.0), (1.0, 5.0, 3.0, 5.0)
    }  # fmt: skip


def test_a_wall_is_there_while_it_is_closed_only() -> None:
    opens = described({"axis": "x", "at": 0.05, "opens": 10.0})
    closes = described({"axis": "x", "at": 0.05, "closes": 10.0})
    counts = [[len(outlines.outline(one, t).tight) for t in (0.0, 10.0, 20.0)]
              for one in (opens, closes)]  # fmt: skip
    assert counts == [[1, 0, 0], [0, 1, 1]]


def test_a_membrane_is_a_broken_line() -> None:
    found = outlines.outline(described({"axis": "x", "at": 0.05, "permeability": 1e-6}), 0.0)
    assert len(found.tight) == 0
    assert drawn(found.leaky) == {(5.0, 0.0, 5.0, 8.0)}
    assert "linestyles" in outlines.LOOKS[False][-1]
    assert "linestyles" not in outlines.LOOKS[True][-1]


def collections(figure: Figure) -> list[list[LineCollection]]:
    return [[c for c in axes.collections if isinstance(c, LineCollection)]
            for axes in figure.axes if axes.images]  # fmt: skip


def test_maps_draw_walls_in_their_own_units_at_their_own_moment(opened: Open) -> None:
    given = scenario({"axis": "x", "at": 0.05, "span": [0.0, 0.03], "opens": 5000.0})
    stored, comparison = opened(
        {"modes": random_fields(3, SHAPE), "ftcs": random_fields(3, SHAPE, 2)},
        size=SIZE, scenario=given,
    )  # fmt: skip
    found = collections(plots.fields(stored, comparison))
    assert [len(lines) for lines in found] == [2, 2, 0] * 2
    (ends,) = found[0][0].get_segments()
    assert np.allclose(ends, [[5.0, 0.0], [5.0, 3.0]], rtol=1e-12, atol=0)
    assert collections(plots.error(stored, comparison)) == [[]]
    stays = scenario({"axis": "x", "at": 0.05, "span": [0.0, 0.03]})
    stored, comparison = opened(
        {"modes": random_fields(2, SHAPE), "ftcs": random_fields(2, SHAPE, 2)},
        size=SIZE, scenario=stays,
    )  # fmt: skip
    assert all(len(lines) == 2 for lines in collections(plots.error(stored, comparison)))


def test_solid_cells_are_filled_where_they_are(opened: Open) -> None:
    boxes = {"kind": "boxes", "boxes": [{"x": [0.0, 0.02], "y": [0.06, 0.08]}]}
    stored, comparison = opened(
        {"modes": random_fields(1, SHAPE)}, size=SIZE, scenario=scenario(obstacles=boxes)
    )
    axes = plots.fields(stored, comparison).axes[0]
    fill = axes.images[1]
    there = ~np.ma.getmaskarray(fill.get_array())
    assert np.argwhere(there).tolist() == [[6, 0], [6, 1], [7, 0], [7, 1]]
    assert fill.get_cmap()(0.0)[:3] == to_rgb(outlines.SOLID)
    assert shown.solid(stored).sum() == 4


LINE = {"shape": [12], "size": [0.12]}


def test_in_space_and_time_a_wall_is_as_long_as_it_is_closed(opened: Open) -> None:
    stored, comparison = opened(
        {"modes": random_fields(3, (12,))}, size=(0.12,),
        scenario=scenario({"axis": "x", "at": 0.05, "opens": 1800.0}, grid=LINE),
    )  # fmt: skip
    axes = plots.fields(stored, comparison).axes[0]
    walls = [c for c in axes.collections if isinstance(c, LineCollection)]
    (ends,) = walls[0].get_segments()
    assert np.allclose(ends, [[5.0, 0.0], [5.0, 0.5]], rtol=1e-12, atol=0)


def test_a_wall_crosses_the_lines_that_it_spans() -> None:
    part = described({"axis": "x", "at": 0.05, "span": [0.0, 0.03]})
    assert outlines.crossed(part, 0, 0, 2).tolist() == [0.05]
    assert outlines.crossed(part, 0, 0, 3).tolist() == []
    assert outlines.crossed(part, 0, 0, None).tolist() == []
    assert outlines.crossed(part, 0, 1, 2).tolist() == []
    full = described({"axis": "y", "at": 0.05, "closes": 15.0})
    assert [outlines.crossed(full, k, 1, None).tolist() for k in (0, 1, 2)] == [[], [], [0.05]]


def test_a_scenario_of_another_grid_or_of_odd_walls_has_no_outline() -> None:
    assert len(outlines.outline(header(SHAPE, np.array([0.0])), 0.0).tight) == 0
    odd = header(SHAPE, np.array([0.0]), size=SIZE, scenario=scenario({"axis": "q", "at": 1}))
    assert len(outlines.outline(odd, 0.0).tight) == 0
