"""Scores of chance against its law: known cases, pools, and what is not drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from plot_samples import Open, assert_legible, header, opener, random_fields
from scipy import stats

from diffusim import plots, store, style
from diffusim.alignment import compare_stored
from diffusim.plots import shown
from diffusim.plots.chance import density, pools, scores

WALKERS = {"walkers": {"statistical": True}}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def drawn(law: np.ndarray, particles: int, seed: int = 1) -> np.ndarray:
    """Counts of particles drawn in proportion to a law, frame by frame."""
    chance = np.random.default_rng(seed)
    return np.stack([chance.multinomial(particles, (u / u.sum()).ravel()).reshape(u.shape)
                     for u in law])  # fmt: skip


def of_particles(law: np.ndarray, counts: np.ndarray, **options: Any) -> tuple[Any, dict[str, Any]]:
    worth = law.sum(axis=(1, 2), keepdims=True) / counts.sum(axis=(1, 2), keepdims=True)
    return (
        {"modes": law, "walkers": worth * counts},
        {"counts": {"walkers": counts}, "facts": WALKERS, **options},
    )


def keep(folder: Path, runs: dict[str, dict[str, np.ndarray]], facts: Any, **changes: Any) -> Path:
    """Publish runs with any arrays beside their fields."""
    first = next(iter(runs.values()))["concentration"]
    with store.Folder.open(folder, "d") as out:
        for label, arrays in runs.items():
            for i in range(len(first)):
                out.journal(label).append({k: np.asarray(v[i]) for k, v in arrays.items()}, {}, {})
        known = {label: {"limit": "lattice", **facts.get(label, {})} for label in runs}
        times = np.arange(len(first)) * 3600.0
        shape = first.shape[-2:]
        return out.publish(header(shape, times, reference="modes", **changes), known)


# --- scores -------------------------------------------------------------------------------------


def test_a_score_is_the_excess_over_the_root_of_the_binomial_variance(opened: Open) -> None:
    law = np.array([[[10.0, 20.0], [30.0, 40.0]]])
    counts = np.array([[[16, 14], [33, 37]]])
    runs, options = of_particles(law, counts)
    stored, _ = opened(runs, **options)
    found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    expected = law[0]
    wanted = (counts[0] - expected) / np.sqrt(expected * (1.0 - expected / 100.0))
    assert np.allclose(found.cells, wanted, rtol=1e-12, atol=0)
    assert np.allclose(found.values[found.pools], wanted, rtol=1e-12, atol=0)
    steps = 1.0 / np.sqrt(expected * (1.0 - expected / 100.0))
    assert np.allclose(found.steps[found.pools], steps, rtol=1e-12, atol=0)


def test_where_the_number_varies_a_score_is_poissons(tmp_path: Path) -> None:
    law, counts = np.full((1, 2, 3), 4.0), np.arange(18, 24).reshape(1, 2, 3)
    worth = np.array([0.2])
    runs = {
        "modes": {"concentration": law},
        "walkers": {"concentration": 0.2 * counts, "counts": counts, "weight": worth},
    }
    with store.load(keep(tmp_path, runs, WALKERS)) as stored:
        found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    assert np.allclose(found.cells, (counts[0] - 20.0) / np.sqrt(20.0), rtol=1e-12, atol=0)


def test_a_score_counts_content_not_density_where_cells_differ_in_volume(tmp_path: Path) -> None:
    grid = {"geometry": "cylindrical", "shape": [3, 2], "size": [0.3, 0.1]}
    law, counts = np.full((1, 3, 2), 2.0), np.array([[[10, 20], [50, 60], [90, 70]]])
    runs = {"modes": {"concentration": law}, "walkers": {"concentration": law, "counts": counts}}
    path = keep(tmp_path, runs, WALKERS, scenario={"grid": grid}, axes=("r", "z"))
    with store.load(path) as stored:
        found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    share = np.array([[1.0], [3.0], [5.0]]) / 18.0
    wanted = (counts[0] - 300 * share) / np.sqrt(300 * share * (1.0 - share))
    assert np.allclose(found.cells, wanted, rtol=1e-12, atol=0)


def test_of_a_measurement_each_cell_has_its_own_deviation(tmp_path: Path) -> None:
    law, off = random_fields(1, (4, 3)) + 1.0, random_fields(1, (4, 3), 2) - 0.5
    deviation = np.full((1, 4, 3), 0.25)
    deviation[0, 1, 1] = 0.0
    off[0, 1, 1] = 0.0
    runs = {
        "modes": {"concentration": law},
        "shots": {"concentration": law + off, "deviation": deviation},
    }
    path = keep(tmp_path, runs, {"shots": {"statistical": True}})
    with store.load(path) as stored:
        found = scores(stored, stored.runs["modes"], stored.runs["shots"])
        figure = plots.chance(stored, compare_stored([stored]))
    assert figure is not None
    assert np.isnan(found.cells[1, 1])
    there = np.arange(12).reshape(4, 3) != 4
    assert np.allclose(found.cells[there], off[0][there] / 0.25, rtol=1e-9, atol=0)
    assert "× expected" in figure.axes[0].get_title()


def test_scores_of_independent_channels_add_up_to_another_score(tmp_path: Path) -> None:
    law = np.full((1, 3, 2, 2), 5.0)
    counts = 25 + np.array([[[3, -3], [1, -1]], [[2, -2], [0, 0]], [[4, -4], [5, -5]]])[None]
    runs = {"modes": {"concentration": law}, "walkers": {"concentration": law, "counts": counts}}
    facts = {"modes": {"channels": 3}, "walkers": {"channels": 3, "statistical": True}}
    path = keep(tmp_path, runs, facts, extra={"channels": ["red", "green", "blue"]})
    with store.load(path) as stored:
        found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    each = (counts[0] - 25.0) / np.sqrt(25.0 * 0.75)
    assert np.allclose(found.cells, each.sum(axis=0) / np.sqrt(3.0), rtol=1e-12, atol=0)


def test_a_particle_where_none_can_be_is_seen(opened: Open) -> None:
    law = np.array([[[50.0, 50.0, 0.0, 0.0]]])
    counts = np.array([[[49, 50, 1, 0]]])
    runs, options = of_particles(law, counts)
    stored, _ = opened(runs, **options)
    found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    assert np.array_equal(np.isinf(found.cells), [[False, False, True, False]])
    assert np.isnan(found.cells[0, 3])


# --- pools --------------------------------------------------------------------------------------


def test_cells_that_expect_enough_stand_alone_and_the_others_are_pooled_nearby() -> None:
    expected = np.full((4, 4), 2.0)
    expected[0, 0] = 7.0
    labels = pools(expected)
    # The cell itself; three others of its block; three more blocks of four.
    assert labels[0, 0] == 0
    assert labels[0, 1] == labels[1, 0] == labels[1, 1]
    assert np.all(labels[2:, 2:] == labels[2, 2])
    assert np.unique(labels).tolist() == [0, 1, 2, 3, 4]


def test_every_pool_expects_five_and_what_expects_too_little_is_left_out() -> None:
    """The law is a Gaussian, so that all sizes of pools occur."""
    x = np.arange(37) - 18.0
    expected = 60.0 * np.exp(-(x[:, None] ** 2 + x[:23] ** 2) / 40.0)
    labels = pools(expected)
    inside = labels >= 0
    sums = np.bincount(labels[inside], expected[inside])
    assert np.min(sums) >= 5.0
    assert np.sum(expected[~inside]) < 5.0 + 1e-3 * np.sum(~inside)
    assert np.array_equal(np.unique(labels[inside]), np.arange(sums.size))
    assert np.all(np.bincount(labels[expected >= 5.0]) <= 1)
    assert np.all(pools(np.zeros((3, 2))) == -1)


def test_scores_of_many_particles_are_standard_normal(opened: Open) -> None:
    """Mean and deviation of 4096 scores; five standard errors are passed once in 10^6."""
    law = random_fields(1, (64, 64)) + 1.0
    runs, options = of_particles(law, drawn(law, 400_000))
    stored, comparison = opened(runs, **options)
    values = scores(stored, stored.runs["modes"], stored.runs["walkers"]).values
    assert values.size == 4096
    assert abs(np.mean(values)) < 5.0 / 64.0
    assert abs(np.std(values) - 1.0) < 5.0 / (64.0 * np.sqrt(2.0))
    figure = plots.chance(stored, comparison)
    assert figure is not None
    words = f"mean {np.mean(values) + 0.0:.3f}, deviation {np.std(values):.2f}"
    assert figure.axes[1].get_title().splitlines()[1] == words.replace("-", "\N{MINUS SIGN}")


# --- histograms -----------------------------------------------------------------------------


def test_a_histogram_counts_what_is_beyond_its_ends_and_integrates_to_one() -> None:
    ends = np.linspace(-4.0, 4.0, 17)
    z = np.array([-9.0, -0.75, 0.25, 0.25, 7.0])
    found = density(z, np.zeros(5), ends)
    assert np.sum(found * np.diff(ends)) == pytest.approx(1.0, rel=1e-12)
    assert found[[0, 6, 8, 15]] == pytest.approx([0.4, 0.4, 0.8, 0.4], rel=1e-12)


def test_whole_numbers_do_not_beat_with_the_bins() -> None:
    """Poisson counts of mean 9 fall on steps of a third, their weights are known exactly."""
    n = np.arange(40)
    weights = np.round(stats.poisson.pmf(n, 9.0) * 20000).astype(int)
    z = np.repeat((n - 9.0) / 3.0, weights)
    ends = np.linspace(-4.0, 4.0, 33)
    found = density(z, np.full(z.shape, 1.0 / 3.0), ends)
    bare, _ = np.histogram(z, ends, density=True)
    normal = stats.norm.pdf(0.5 * (ends[1:] + ends[:-1]))
    assert np.max(np.abs(found - normal)) < 0.08
    assert np.max(np.abs(bare - normal)) > 0.2


# --- figures ------------------------------------------------------------------------------------


def test_the_map_shows_scores_upright_between_four_deviations(opened: Open) -> None:
    law = random_fields(2, (8, 5)) + 1.0
    runs, options = of_particles(law, drawn(law, 4000))
    stored, comparison = opened(runs, **options)
    figure = plots.chance(stored, comparison)
    assert figure is not None
    image = figure.axes[0].images[0]
    found = scores(stored, stored.runs["modes"], stored.runs["walkers"])
    assert np.array_equal(image.get_array(), found.cells.T)
    assert image.get_clim() == (-4.0, 4.0)
    assert image.cmap.name == style.ERROR
    assert image.origin == "lower"
    assert (
        figure.axes[0].get_title() == f"walkers\np = {style.number(comparison['walkers'].p_last)}"
    )
    assert [figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()] == ["x (cm)", "y (cm)"]


def test_on_a_line_scores_are_points_over_a_band_of_two_deviations(opened: Open) -> None:
    law = np.linspace(1.0, 3.0, 40)[None]
    counts = drawn(law, 8000)
    worth = law.sum() / 8000
    stored, comparison = opened({"modes": law, "walkers": worth * counts},
                                counts={"walkers": counts}, facts=WALKERS, size=(0.4,))  # fmt: skip
    figure = plots.chance(stored, comparison)
    assert figure is not None
    points = figure.axes[0].lines[-1]
    wanted = 8000 * law[0] / law.sum()
    z = (counts[0] - wanted) / np.sqrt(wanted * (1.0 - wanted / 8000))
    assert np.allclose(points.get_ydata(), z, rtol=1e-9, atol=0)
    assert np.allclose(points.get_xdata(), np.arange(40) + 0.5, rtol=1e-12, atol=0)
    spans = [(patch.get_y(), patch.get_height()) for patch in figure.axes[0].patches]
    assert spans == [(-2.0, 4.0)]
    assert_legible(figure)


def test_at_most_four_runs_are_drawn_and_nothing_where_chance_makes_none(opened: Open) -> None:
    law = random_fields(1, (6, 4)) + 1.0
    counts = {f"w{i}": drawn(law, 900, i) for i in range(6)}
    facts = {label: {"statistical": True} for label in counts}
    runs = {"modes": law, **{k: law.sum() / 900 * n for k, n in counts.items()}}
    figure = plots.chance(*opened(runs, counts=counts, facts=facts))
    assert figure is not None
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert [title for title in titles if title.startswith("w")] == ["w0", "w1", "w2", "w3"]
    assert_legible(figure)
    assert plots.chance(*opened({"modes": law, "ftcs": law + 0.1})) is None
    beside = {"w0": {"statistical": False}}
    one = {"modes": law, "w0": law}
    assert plots.chance(*opened(one, counts={"w0": counts["w0"]}, facts=beside)) is None


def test_what_is_unexplained_is_said_in_the_colour_of_alarm(opened: Open) -> None:
    law = random_fields(1, (12, 9)) + 1.0
    runs, options = of_particles(law, drawn(law[:, ::-1], 100_000))
    stored, comparison = opened(runs, **options)
    figure = plots.chance(stored, comparison)
    assert figure is not None
    assert figure.axes[0].title.get_color() == style.ALARM


ODD: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "narrow": ((64, 2), {"size": (9.0, 1e-3)}),
    "tall": ((2, 64), {"size": (1e-6, 1e-3)}),
    "words": ((6, 6), {"title": "A $x$ title that goes on " * 8, "unit": "$%"}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_results_are_legible(opened: Open, name: str) -> None:
    shape, options = ODD[name]
    law = random_fields(2, shape) + 0.1
    runs, more = of_particles(law, drawn(law, 3000))
    figure = plots.chance(*opened(runs, **more, **options))
    assert figure is not None
    assert_legible(figure)


# --- profiles -----------------------------------------------------------------------------------


def band(figure: Any) -> np.ndarray:
    """Half the height of the noise band of the last panel."""
    found = next(c for c in figure.axes[-1].collections if isinstance(c, PolyCollection))
    vertices = found.get_paths()[0].vertices
    return np.abs(vertices[1 : 1 + (len(vertices) - 3) // 2, 1])


def test_positions_beside_an_exact_field_make_no_noise(opened: Open) -> None:
    law = random_fields(2, (8, 4)) + 1.0
    counts = drawn(law, 100)
    facts = {"walkers": {"statistical": False}}
    stored, comparison = opened({"modes": law, "walkers": law},
                                counts={"walkers": counts}, facts=facts)  # fmt: skip
    assert not shown.by_chance(stored.runs["walkers"])
    figure = plots.profile(stored, comparison)
    assert not any(isinstance(c, PolyCollection) for a in figure.axes for c in a.collections)


def test_the_noise_of_an_open_medium_is_poissons(tmp_path: Path) -> None:
    law = np.repeat(np.arange(1.0, 7.0)[:, None], 4, axis=1)[None]
    counts = np.round(law / 0.05).astype(int)
    runs = {
        "modes": {"concentration": law},
        "walkers": {"concentration": law, "counts": counts, "weight": np.array([0.05])},
    }
    with store.load(keep(tmp_path, runs, WALKERS)) as stored:
        figure = plots.profile(stored, compare_stored([stored]))
    expected = law[0, :, 0] * 4 / 0.05
    assert np.allclose(band(figure), 2.0 * 0.05 * np.sqrt(expected) / 4, rtol=1e-9, atol=0)


def test_the_noise_of_rings_knows_their_volumes(tmp_path: Path) -> None:
    grid = {"geometry": "cylindrical", "shape": [5, 3], "size": [0.5, 0.3]}
    law = np.repeat(np.arange(1.0, 6.0)[:, None], 3, axis=1)[None]
    volume = 2.0 * np.pi * 0.1 * 0.1 * (np.arange(5) * 0.1 + 0.05)[:, None]
    counts = np.full((1, 5, 3), 20)
    runs = {"modes": {"concentration": law}, "walkers": {"concentration": law, "counts": counts}}
    path = keep(tmp_path, runs, WALKERS, scenario={"grid": grid}, axes=("r", "z"), size=(0.5, 0.3))
    with store.load(path) as stored:
        figure = plots.profile(stored, compare_stored([stored]))
    worth = np.sum(law[0] * volume) / 300
    m = 3 * (law[0] * volume)[:, 0] / worth
    wanted = 2.0 * worth / (3 * volume[:, 0]) * np.sqrt(m * (1.0 - m / 300))
    assert np.allclose(band(figure), wanted, rtol=1e-9, atol=0)


def test_the_noise_of_a_measurement_is_what_it_tells(tmp_path: Path) -> None:
    law = np.repeat(np.arange(1.0, 7.0)[:, None], 4, axis=1)[None]
    deviation = random_fields(1, (6, 4))
    runs = {
        "modes": {"concentration": law},
        "shots": {"concentration": law + 0.1, "deviation": deviation},
    }
    with store.load(keep(tmp_path, runs, {"shots": {"statistical": True}})) as stored:
        figure = plots.profile(stored, compare_stored([stored]))
    wanted = 2.0 * np.sqrt(np.sum(deviation[0] ** 2, axis=1)) / 4
    assert np.allclose(band(figure), wanted, rtol=1e-9, atol=0)
