"""Spreading and paths: moments of known fields, powers of time, lines that break."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from plot_samples import Open, assert_legible, header, opener, random_fields

from diffusim import plots, store
from diffusim.alignment import compare_stored
from diffusim.block import Unsupported
from diffusim.plots.paths import displacements, mean_squares, pieces, rate
from diffusim.plots.spread import spreads

TIMES = np.array([0.0, 12.5, 50.0, 200.0])
BOX = {"shape": [60, 48], "size": [0.6, 0.48]}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def gaussian(variances: Any, centre: tuple[float, float] = (0.31, 0.24)) -> np.ndarray:
    """Gaussians on the cells of `BOX`, one for each pair of variances in m^2."""
    x, y = (0.01 * (np.arange(n) + 0.5) for n in BOX["shape"])
    return np.stack([np.exp(-((x[:, None] - centre[0]) ** 2) / (2.0 * a)
                            - (y - centre[1]) ** 2 / (2.0 * b)) for a, b in variances])  # fmt: skip


def diffusing(**changes: Any) -> dict[str, Any]:
    medium = {"kind": "diffusion", "diffusivity": 5e-6, "walls": [], "flow": None}
    return {"scenario": {"grid": BOX, "propagator": medium | changes}, "size": (0.6, 0.48),
            "times": TIMES}  # fmt: skip


def keep(folder: Path, places: np.ndarray, u: np.ndarray, **changes: Any) -> Path:
    """Publish a law and walkers with their paths."""
    with store.Folder.open(folder, "d") as out:
        for i in range(len(u)):
            out.journal("modes").append({"concentration": u[i]}, {}, {})
            arrays = {"concentration": u[i], "paths": places[i]}
            out.journal("walkers").append(arrays, {}, {})
        facts = {label: {"limit": "lattice"} for label in ("modes", "walkers")}
        times = changes.pop("times", np.arange(len(u)) * 3600.0)
        head = header(u.shape[1:], times, reference="modes", **changes)
        return out.publish(head, facts)


# --- moments ------------------------------------------------------------------------------------


def test_the_moment_of_a_gaussian_is_the_sum_of_its_variances(opened: Open) -> None:
    variances = [(4e-4 + 1e-5 * t, 4e-4 + 2e-6 * t) for t in TIMES]
    stored, comparison = opened({"modes": gaussian(variances)}, size=(0.6, 0.48), times=TIMES)
    (found,) = spreads(stored)
    assert np.allclose(found.moment, [a + b for a, b in variances], rtol=1e-6, atol=0)
    assert np.allclose(found.growth[1:], 1.2e-5 * TIMES[1:], rtol=1e-4, atol=0)
    assert found.power == pytest.approx(0.5, abs=1e-4)
    figure = plots.spread(stored, comparison)
    assert figure is not None
    left, right = (axes.lines[0].get_ydata() for axes in figure.axes)
    assert np.allclose(left, 100.0 * np.sqrt(found.moment), rtol=1e-12, atol=0)
    assert np.allclose(right[1:], 100.0 * np.sqrt(found.growth[1:]), rtol=1e-12, atol=0)
    assert figure.axes[1].get_xscale() == figure.axes[1].get_yscale() == "log"
    assert_legible(figure)


def test_what_spreads_as_a_wave_has_the_power_one(opened: Open) -> None:
    variances = [(4e-4 + (2e-4 * t) ** 2,) * 2 for t in TIMES]
    stored, _ = opened({"modes": gaussian(variances)}, size=(0.6, 0.48), times=TIMES)
    assert spreads(stored)[0].power == pytest.approx(1.0, abs=1e-4)


def test_the_law_of_diffusion_is_2dDt_and_passes_through_what_follows_it(opened: Open) -> None:
    variances = [(4e-4 + 1e-5 * t,) * 2 for t in TIMES]
    stored, comparison = opened({"modes": gaussian(variances)}, **diffusing())
    (found,) = spreads(stored)
    assert found.law is not None
    assert np.allclose(found.law(TIMES), 2e-5 * TIMES, rtol=1e-12, atol=0)
    figure = plots.spread(stored, comparison)
    assert figure is not None
    assert "grows by 2 d D t" in [text.get_text() for text in figure.legends[0].get_texts()]
    line = figure.axes[0].lines[1]
    wanted = 100.0 * np.sqrt(8e-4 + 2e-5 * 60.0 * line.get_xdata())
    assert np.allclose(line.get_ydata(), wanted, rtol=1e-6, atol=0)


def test_the_law_of_a_free_packet_is_that_of_the_textbook(opened: Open) -> None:
    """Griffiths: w(t)^2 = w^2 (1 + (hbar t / 2 m w^2)^2); of 2 nm and an electron it is known."""
    grid = {"shape": [60, 48], "size": [60e-9, 48e-9]}
    medium = {"kind": "schroedinger", "time": "real", "mass": 9.1093837139e-31, "potential": []}
    start = {"kind": "packet", "width": [2e-9], "centre": [31e-9, 24e-9]}
    scenario = {"grid": grid, "propagator": medium, "initial": start}
    u = gaussian([(4e-4, 4e-4), (5e-4, 5e-4)])
    stored, _ = opened({"modes": u}, size=(60e-9, 48e-9), times=np.array([0.0, 1e-13]),
                       scenario=scenario)  # fmt: skip
    (found,) = spreads(stored)
    assert found.law is not None
    pace = 1.054571817e-34 / (2.0 * 9.1093837139e-31 * 2e-9)
    assert float(found.law(np.array([1e-13]))[0]) == pytest.approx(2.0 * (pace * 1e-13) ** 2, 1e-9)
    slow = {**scenario, "propagator": {**medium, "potential": [{"height": 1e-20}]}}
    stored, _ = opened({"modes": u}, size=(60e-9, 48e-9), scenario=slow)
    assert spreads(stored) == []


def test_rings_weigh_by_their_volume_and_have_two_directions(opened: Open) -> None:
    grid = {"geometry": "cylindrical", "shape": [60, 48], "size": [0.6, 0.48]}
    medium = {"kind": "diffusion", "diffusivity": 5e-6}
    r, z = (0.01 * (np.arange(n) + 0.5) for n in (60, 48))
    variances = [4e-4 + 1e-5 * t for t in TIMES]
    u = np.stack([np.exp(-(r[:, None] ** 2 + (z - 0.24) ** 2) / (2.0 * v)) for v in variances])
    scenario = {"grid": grid, "propagator": medium}
    stored, _ = opened({"modes": u}, size=(0.6, 0.48), axes=("r", "z"), times=TIMES,
                       scenario=scenario)  # fmt: skip
    (found,) = spreads(stored)
    # Sums over the middles of rings are as coarse as h^2 / (24 w^2).
    assert np.allclose(found.moment, 3.0 * np.array(variances), rtol=1e-2, atol=0)
    assert rate(stored) == pytest.approx(6.0 * 5e-6, rel=1e-12)


# --- what is not drawn --------------------------------------------------------------------------


NOT_FREE = {
    "a wide start": gaussian([(4e-3, 4e-4), (5e-3, 5e-4)]),
    "a start without content": np.zeros((2, 60, 48)),
    "what reaches a side": gaussian([(4e-4, 4e-4), (4e-4, 7e-3)]),
    "what starts beside a side": gaussian([(4e-4, 4e-4), (9e-4, 9e-4)], (0.05, 0.24)),
    "one frame": gaussian([(4e-4, 4e-4)]),
    "what does not spread": gaussian([(4e-4, 4e-4), (4e-4, 4e-4)]),
    "noise": random_fields(2, (60, 48)),
}


@pytest.mark.parametrize("name", NOT_FREE)
def test_no_spreading_is_drawn_of(opened: Open, name: str) -> None:
    stored, comparison = opened({"modes": NOT_FREE[name]}, size=(0.6, 0.48))
    assert plots.spread(stored, comparison) is None
    with pytest.raises(Unsupported, match="shows no free spreading"):
        plots.spread_of([stored])


def test_no_rate_is_claimed_of_other_media() -> None:
    for change, wanted in (
        ({}, 2e-5), ({"diffusivity": {"x": 1e-6, "y": 2e-6}}, 6e-6),
        ({"flow": [{"kind": "uniform"}]}, None), ({"kind": "schroedinger"}, None),
        ({"diffusivity": {"kind": "layers", "axis": "x"}}, None), ({"decay": 1e-6}, None),
    ):  # fmt: skip
        found = rate(header((60, 48), np.zeros(1), scenario=diffusing(**change)["scenario"]))
        assert found is wanted is None or found == pytest.approx(wanted, rel=1e-12)


# --- several results ----------------------------------------------------------------------------


def test_runs_of_several_results_are_drawn_in_one_picture(opened: Open) -> None:
    slow = gaussian([(4e-4 + 1e-5 * t,) * 2 for t in TIMES])
    fast = gaussian([(4e-4 + (2e-4 * t) ** 2,) * 2 for t in TIMES])
    first, _ = opened({"modes": slow, "ftcs": slow}, **diffusing())
    second, _ = opened({"modes": fast}, **diffusing(kind="schroedinger"), title="Another")
    figure = plots.spread_of([first, second])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    one, other = (stored.path.parent.name for stored in (first, second))
    known = [(one, "modes", "0.50"), (one, "ftcs", "0.50"), (other, "modes", "1.00")]
    assert words[:3] == [f"{name}/{label}: grows as $t^{{{power}}}$"
                         for name, label, power in known]  # fmt: skip
    assert figure.get_suptitle().splitlines()[0] == "A title; Another"
    assert_legible(figure)
    clock, _ = opened({"modes": fast}, size=(0.6, 0.48), extra={"clock": "applications"})
    with pytest.raises(Unsupported, match="count their times differently"):
        plots.spread_of([first, clock])


# --- paths --------------------------------------------------------------------------------------


def test_a_track_breaks_where_it_goes_round_and_ends_where_a_particle_is_gone() -> None:
    gone = np.nan
    track = np.array([[0.9, 0.1], [0.95, 0.2], [0.05, 0.3], [0.1, 0.9], [gone, gone]])
    found = pieces(track, np.array([1.0, np.inf]))
    assert [part.tolist() for part in found] == [track[:2].tolist(), track[2:4].tolist()]
    assert len(pieces(track, np.array([1.0, 1.0]))) == 3
    assert len(pieces(track, np.array([np.inf, np.inf]))) == 1
    assert pieces(track[4:], np.array([1.0, 1.0])) == []


def test_displacements_go_on_round_a_periodic_axis_and_not_at_a_mirror(tmp_path: Path) -> None:
    grid = {"shape": [6, 4], "size": [0.6, 0.4], "edges": {"x": "periodic"}}
    places = np.array([[[0.5, 0.1]], [[0.1, 0.35]], [[0.3, 0.0]], [[np.nan, np.nan]]])
    u = random_fields(4, (6, 4))
    with store.load(keep(tmp_path, places, u, size=(0.6, 0.4), scenario={"grid": grid})) as stored:
        found = displacements(stored, stored.runs["walkers"])
    wanted = [[[0.0, 0.0]], [[0.2, 0.25]], [[0.4, -0.1]], [[np.nan, np.nan]]]
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-15, equal_nan=True)


def test_mean_squares_and_their_errors_leave_out_who_is_gone() -> None:
    displaced = np.array([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], [[1.0, 1.0], [np.nan] * 2, [2, 2]],
                          [[1.0, 1.0], [np.nan] * 2, [np.nan] * 2]])  # fmt: skip
    mean, error = mean_squares(displaced)
    assert np.allclose(mean[:2], [14.0 / 3.0, 5.0], rtol=1e-12, atol=0)
    assert error[0] == pytest.approx(np.std([1.0, 4.0, 9.0], ddof=1) / math.sqrt(3.0), rel=1e-12)
    assert error[1] == pytest.approx(np.std([2.0, 8.0], ddof=1) / math.sqrt(2.0), rel=1e-12)
    assert np.isnan(mean[2])
    assert np.isnan(error[2])


def test_tracks_are_drawn_where_they_are_over_the_law(tmp_path: Path) -> None:
    grid = {**BOX, "edges": "periodic"}
    places = np.array([[[0.55, 0.1], [0.2, 0.2]], [[0.05, 0.2], [0.3, 0.1]]])
    u = gaussian([(4e-4, 4e-4), (5e-4, 5e-4)])
    boxes = [{"x": [0.1, 0.2], "y": [0.3, 0.4]}]
    medium = {"kind": "diffusion", "obstacles": {"kind": "boxes", "boxes": boxes}}
    path = keep(tmp_path, places, u, size=(0.6, 0.48),
                scenario={"grid": grid, "propagator": medium})  # fmt: skip
    with store.load(path) as stored:
        figure = plots.paths(stored, compare_stored([stored]))
    assert figure is not None
    axes, distances = figure.axes
    first, second = (c for c in axes.collections if isinstance(c, LineCollection))
    assert [len(part) for part in first.get_segments()] == [1, 1]
    assert np.allclose(second.get_segments()[0], [[20.0, 20.0], [30.0, 10.0]], rtol=1e-12, atol=0)
    ends = [tuple(map(float, line.get_xydata()[0])) for line in axes.lines]
    assert np.allclose(ends, [(55, 10), (5, 20), (20, 20), (30, 10)], rtol=1e-12, atol=0)
    law, solid = (image.get_array() for image in axes.images)
    assert np.array_equal(law, u[-1].T)
    assert np.array_equal(np.argwhere(solid.filled(0.0).T)[[0, -1]], [[10, 30], [19, 39]])
    mean = distances.containers[0][0].get_ydata()
    assert np.allclose(mean, [0.0, 200.0], rtol=1e-9, atol=1e-12)
    assert distances.get_ylabel() == "mean square displacement (cm²)"
    assert_legible(figure)


def test_followed_particles_stand_beside_the_spread_and_the_law(tmp_path: Path) -> None:
    """Displacements of exactly the variance expected, about a drift that does not count."""
    one = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    places = np.stack([[0.31, 0.24] + 1e-4 * t + np.sqrt(1e-5 * t) * one for t in TIMES])
    u = gaussian([(4e-4 + 1e-5 * t,) * 2 for t in TIMES])
    given = diffusing()
    with store.load(keep(tmp_path, places, u, **given)) as stored:
        found = spreads(stored)[1]
        comparison = compare_stored([stored])
        assert found.paths is not None
        assert np.allclose(found.paths, 2e-5 * TIMES, rtol=1e-9, atol=1e-18)
        figure, tracks = plots.spread(stored, comparison), plots.paths(stored, comparison)
    assert figure is not None
    points = figure.axes[1].containers[0][0].get_ydata()
    assert np.allclose(points, 100.0 * np.sqrt(2e-5 * TIMES[1:]), rtol=1e-9, atol=0)
    assert tracks is not None
    expected = tracks.axes[1].lines[-1].get_ydata()
    assert np.allclose(expected, 1e4 * 2e-5 * TIMES, rtol=1e-12, atol=0)
    assert_legible(figure)


def test_on_a_line_tracks_run_upwards_in_time(tmp_path: Path) -> None:
    places = np.array([[[0.1], [0.2]], [[0.15], [0.25]], [[0.3], [np.nan]]])
    path = keep(tmp_path, places, random_fields(3, (40,)), size=(0.4,))
    with store.load(path) as stored:
        figure = plots.paths(stored, compare_stored([stored]))
    assert figure is not None
    first, second = (c.get_segments() for c in figure.axes[0].collections)
    assert np.allclose(first[0][1:], [[15.0, 1.0], [30.0, 2.0]], rtol=1e-12, atol=0)
    assert np.allclose(second[0], [[20.0, 0.0], [25.0, 1.0]], rtol=1e-12, atol=0)
    assert figure.axes[0].get_ylabel() == "time (h)"
    assert_legible(figure)


def test_no_paths_are_drawn_where_none_were_followed(opened: Open) -> None:
    assert plots.paths(*opened({"modes": random_fields()})) is None


def test_all_of_these_are_drawn_beside_the_others_and_old_ones_do_not_stay(tmp_path: Path) -> None:
    u = gaussian([(4e-4, 4e-4), (6e-4, 6e-4)])
    places = np.full((2, 3, 2), 0.2)
    path = keep(tmp_path / "run", places, u, size=(0.6, 0.48), scenario={"grid": BOX})
    folder = path.parent / "figures"
    folder.mkdir()
    (folder / "chance.png").write_bytes(b"old")
    names = [picture.name for picture in plots.draw(path)]
    assert [name for name in names if name in ("chance.png", "spread.png", "paths.png")] == [
        "spread.png", "paths.png",
    ]  # fmt: skip
    assert sorted(names) == sorted(picture.name for picture in folder.iterdir())
