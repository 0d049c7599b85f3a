"""Channels: several fields on one grid, each carried by itself, predicted and judged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from channel_samples import GRID, counted, picture
from PIL import Image
from scipy import special

import diffusim as ds
from diffusim import runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import key_of, together
from diffusim.comparison import compare
from diffusim.counts import ahead_or_behind, chi_square, chi_square_pair, expected_noise
from diffusim.files import read_image
from diffusim.grid import Grid
from diffusim.initial import Picture, Stored
from diffusim.method import Prediction
from diffusim.methods import Method
from diffusim.norms import relative

WATER = ds.Diffusion(diffusivity=1.5e-9, walls=[ds.Wall(axis="x", at=0.006, opens=200.0)])
OPEN = Grid.model_validate(
    {"shape": [12, 9], "size": [0.012, 0.009], "edges": {"left": {"value": 1.0}}}
)
# Of several blocks of 16 x 16 cells.
BROAD = Grid(shape=(40, 36), size=(0.040, 0.036))
TIMES = [0.0, 100.0, 600.0]
WALKERS: dict[str, Any] = {"kind": "walkers", "particles": 20000}
METHODS = ["ftcs", "modes", "chebyshev", {"kind": "modes", "limit": "cell-to-cell"}, WALKERS]


def start(channels: int = 3, grid: Grid = GRID) -> Array:
    return np.random.default_rng(channels).random((channels, *grid.shape)) + 0.1


def solved(u: Array, method: Any, **options: Any) -> ds.Run:
    return ds.solve(u, WATER, method=method, **{"grid": GRID, "times": TIMES, **options})


# --- carried --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_first_channel_has_the_bits_of_a_field_without_channels(method: Any) -> None:
    u = start()
    run, plain = solved(u, method), solved(u[0], method)
    assert run.frames.shape == (3, 3, 12, 9)
    assert np.array_equal(run.frames[:, 0], plain.frames)
    assert run.counts is None or np.array_equal(run.counts[:, 0], plain.counts)
    assert (run.facts["channels"], "channels" in plain.facts) == (3, False)


@pytest.mark.parametrize("method", ["ftcs", "modes", "chebyshev"])
def test_every_channel_has_the_bits_that_it_has_alone(method: str) -> None:
    u = start(4)
    run = solved(u, method)
    for number, alone in enumerate(u):
        assert np.array_equal(run.frames[:, number], solved(alone, method).frames)


def test_what_becomes_of_a_channel_does_not_depend_on_how_many_follow() -> None:
    u = start(4)
    all_of_them = solved(u, WALKERS)
    assert all_of_them.counts is not None
    for count in (1, 2, 3):
        assert np.array_equal(solved(u[:count], WALKERS).counts, all_of_them.counts[:, :count])


def test_channels_that_start_alike_draw_random_numbers_of_their_own() -> None:
    run = solved(np.broadcast_to(start()[:1], (3, 12, 9)), WALKERS)
    assert run.counts is not None
    for frame in run.counts:
        assert all(not np.array_equal(frame[a], frame[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_keys_of_channels_and_segments_are_all_different() -> None:
    segments = [(n, m) for n in range(20) for m in range(20)]
    keys = {key_of(key, channel) for key in segments for channel in range(20)}
    assert len(keys) == 20 * len(segments)
    assert key_of((7, 9), 0) == (7, 9)


def test_channels_share_the_views_of_an_epoch() -> None:
    course = runs.plan(Method.find("modes")(), WATER, GRID, TIMES, channels=3)
    made = [dict(segment.views) for segment in course.segments]
    list(course.frames(start()))
    for segment, views in zip(course.segments, made, strict=True):
        assert all(segment.views[name] is view for name, view in views.items())


def test_progress_goes_on_from_channel_to_channel() -> None:
    course = runs.plan(Method.read(WALKERS), WATER, GRID, TIMES, channels=3)
    told: list[float] = []
    list(course.frames(start(), progress=told.append))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(set(told)) >= 3 * len(course.segments)


@pytest.mark.parametrize(
    "shape", [(3, 9, 12), (2, 3, 12, 9), (0, 12, 9), (12,), (12, 9, 3)], ids=str
)
def test_other_shapes_are_refused_in_words(shape: tuple[int, ...]) -> None:
    with pytest.raises(Invalid, match=r"the grid has \(12, 9\); a field of several channels"):
        solved(np.ones(shape), "ftcs")


def test_channels_on_a_line_are_no_second_axis() -> None:
    line = Grid(shape=(12,), size=(0.012,))
    u = start(grid=line)
    water = ds.Diffusion(diffusivity=1.5e-9)
    run = ds.solve(u, water, grid=line, times=TIMES, method="modes")
    plain = ds.solve(u[2], water, grid=line, times=TIMES, method="modes")
    assert np.array_equal(run.frames[:, 2], plain.frames)


def test_a_channel_without_anything_is_refused_by_what_cannot_start_from_it() -> None:
    u = start()
    u[1] = 0.0
    with pytest.raises(Unsupported, match="a channel of the initial field that is zero everywhere"):
        solved(u, WALKERS)
    assert np.array_equal(solved(u, "ftcs").frames[:, 1], np.zeros((3, 12, 9)))


def test_the_accounts_of_an_open_medium_close_channel_by_channel() -> None:
    u = start()
    water = ds.Diffusion(diffusivity=1.5e-9)
    run = ds.solve(u, water, grid=OPEN, times=TIMES, method="chebyshev")
    assert run.accounts is not None
    assert run.accounts.shape == (3, 3, 1)
    content = np.sum(run.frames * OPEN.volume, axis=(2, 3))
    np.testing.assert_allclose(content - run.accounts[..., 0], content[:1].repeat(3, 0), rtol=1e-13,
                               atol=0)  # fmt: skip
    row = compare([run], TIMES, volume=OPEN.volume).rows[0]
    assert row.mass_drift < 1e-13
    assert list(row.accounts.values()) == [float(np.sum(run.accounts[-1]))]


# --- predictions ----------------------------------------------------------------------------------


def test_fields_of_error_are_stacked_and_of_bounds_the_largest_holds() -> None:
    fields = [np.full(GRID.shape, value) for value in (1.0, 2.0)]
    stacked = together([Prediction(fields[0], "kept"), Prediction(fields[1], sure=False)])
    assert stacked is not None
    assert np.array_equal(stacked.error, np.stack(fields))
    assert not stacked.sure
    assert together([Prediction(1e-12), Prediction(3e-12)]) == Prediction(3e-12)
    mixed = together([Prediction(0.0), Prediction(fields[0])])
    assert mixed is not None
    assert np.array_equal(mixed.error, np.stack([0.0 * fields[0], fields[0]]))
    assert together([Prediction(1e-12), None]) is None


@pytest.mark.parametrize("word", ["ftcs", "adi", "chebyshev"])
def test_the_error_of_all_channels_is_predicted_as_that_of_each(word: str) -> None:
    times = [600.0, 1200.0]
    u, volume = start(), GRID.volume
    reference = solved(u, "modes", times=times).frames

    def predicted(u: Array, reference: Array, channels: int) -> list[Any]:
        course = runs.plan(Method.find(word)(), WATER, GRID, times, channels=channels)
        own = [frame.field for frame in course.frames(u)]
        return [p and p.error for p in course.predictions(u, iter(reference), own)]

    alone = zip(*(predicted(u[c], reference[:, c], 0) for c in range(3)), strict=True)
    for r, found, parts in zip(reference, predicted(u, reference, 3), alone, strict=True):
        if np.ndim(found):
            assert np.array_equal(found, np.stack(parts))
            assert 0.0 < relative(found, r, 2, volume) < 0.1
        else:
            assert found == max(parts)


# --- starts ---------------------------------------------------------------------------------------


def test_red_green_and_blue_lie_as_grey_does_and_are_linear_in_the_stored_values(
    tmp_path: Path,
) -> None:
    path = picture(tmp_path)
    with Image.open(path) as image:
        pixels = np.asarray(image, dtype=float)
    blocks = pixels.reshape(9, 2, 12, 2, 3).mean(axis=(1, 3)) / 255.0
    expected = np.transpose(blocks, (2, 1, 0))[:, :, ::-1]
    found = read_image(path, (12, 9), colours=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
    # Grey is a rounded mean of the three with the weights of ITU-R 601.
    grey = np.tensordot([0.299, 0.587, 0.114], found, axes=1)
    np.testing.assert_allclose(read_image(path, (12, 9)), grey, rtol=0, atol=0.6 / 255.0)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_an_image_without_colour_has_three_equal_channels(tmp_path: Path, mode: str) -> None:
    path = picture(tmp_path, mode, (30, 18))
    grey = read_image(path, (12, 9))
    assert np.array_equal(read_image(path, (12, 9), colours=True), np.stack([grey] * 3))


def test_black_and_white_stand_for_the_same_values_in_every_channel(tmp_path: Path) -> None:
    options: dict[str, Any] = {"path": picture(tmp_path, "RGBA"), "channels": "rgb"}
    bright = Picture(**options).field(GRID, (0, 0))
    assert bright.shape == (3, 12, 9)
    turned = Picture(values=(35.0, 0.0), **options).field(GRID, (0, 0))
    np.testing.assert_allclose(turned, 35.0 - 35.0 * bright, rtol=1e-14, atol=0)
    assert Picture(**options).names(3) == ("red", "green", "blue")


def test_an_image_is_grey_unless_colours_are_asked_for(tmp_path: Path) -> None:
    assert Picture(path=picture(tmp_path)).field(GRID, (0, 0)).shape == GRID.shape


def test_a_stored_array_may_have_channels_before_its_axes(tmp_path: Path) -> None:
    u = start(5)
    np.save(tmp_path / "u.npy", u)
    given = Stored(path=tmp_path / "u.npy")
    assert np.array_equal(given.field(GRID, (0, 0)), u)
    assert given.names(5) == ("1", "2", "3", "4", "5")
    np.save(tmp_path / "u.npy", u.transpose(1, 2, 0))
    with pytest.raises(Invalid, match=r"has shape \(12, 9, 5\), the grid has \(12, 9\)"):
        given.field(GRID, (0, 0))


# --- judged ---------------------------------------------------------------------------------------


def laws(channels: int = 3) -> tuple[Array, Array]:
    """A law that has different totals in its channels, and as it was one frame before."""
    u = start(channels, BROAD) ** 4 * (1.0 + np.arange(channels)[:, None, None])
    water = ds.Diffusion(diffusivity=1.5e-9)
    run = ds.solve(u, water, grid=BROAD, times=[50.0, 150.0], method="modes")
    return run.frames[1], run.frames[0]


def test_chi_squares_of_channels_add_up() -> None:
    law, _ = laws()
    counts = counted(law[None], 200000)[0]
    statistic = sum(
        float(np.sum((n - n.sum() * u / u.sum()) ** 2 / (n.sum() * u / u.sum())))
        for n, u in zip(counts, law, strict=True)
    )
    assert np.min(law / law.sum(axis=(1, 2), keepdims=True)) * 200000 > 5.0
    p = special.chdtrc(3 * (BROAD.cells - 1), statistic)
    assert chi_square_pair(counts, law, 3)[0] == pytest.approx(p, rel=1e-9)


def test_one_channel_is_judged_as_a_field_without_channels() -> None:
    law, before = laws(1)
    counts = counted(law[None], 20000)[0]
    assert chi_square_pair(counts, law, 1) == chi_square_pair(counts[0], law[0])
    expected = law[0] * (20000 / law[0].sum())
    assert chi_square_pair(counts, law, 1)[0] == chi_square(counts[0].ravel(), expected.ravel())
    of_channel = ahead_or_behind(counts, law, before, 1)
    assert of_channel == ahead_or_behind(counts[0], law[0], before[0])
    assert expected_noise(law, 20000, 1) == expected_noise(law[0], 20000)


def test_p_values_of_channels_are_even_where_the_counts_follow_their_law() -> None:
    law, before = laws()
    draws = counted(np.broadcast_to(law, (200, *law.shape)), 20000)
    found = [(*chi_square_pair(counts, law, 3), ahead_or_behind(counts, law, before, 3))
             for counts in draws]  # fmt: skip
    for p in np.sort(np.array(found), axis=0).T:
        even = (np.arange(p.size) + 0.5) / p.size
        # Kolmogorov and Smirnov: beyond 2.2 / sqrt(n) with a chance of 1e-4.
        assert np.max(np.abs(p - even)) < 2.2 / math.sqrt(p.size)


def test_a_fault_in_one_channel_is_seen_among_others_that_are_right() -> None:
    law, before = laws()
    counts = counted(law[None], 200000)[0]
    assert min(chi_square_pair(counts, law, 3)) > 1e-6
    assert ahead_or_behind(counts, law, before, 3) > 1e-6
    leaked = counts.copy()
    leaked[2, 0, 0] += 30 * math.isqrt(int(leaked[2, 0, 0]))
    assert chi_square_pair(leaked, law, 3)[0] < 1e-6
    # Where a channel expects nothing, one particle is one too many.
    empty, found = law.copy(), counts.copy()
    empty[2, :20], found[2, :20] = 0.0, 0
    found[2, 0, 0] = 1
    assert chi_square_pair(found, empty, 3)[0] == 0.0
    behind = counts.copy()
    behind[1] = counted(before[None, 1:2], 200000, 3)[0, 0]
    assert ahead_or_behind(behind, law, before, 3) < 1e-6


def test_the_noise_of_all_channels_is_what_multinomial_draws_have() -> None:
    law, _ = laws()
    draws = counted(np.broadcast_to(law, (200, *law.shape)), 3000)
    fields = draws * (law.sum(axis=(1, 2), keepdims=True) / 3000)
    squares = [relative(u - law, law, 2) ** 2 for u in fields]
    ratio = np.mean(squares) / expected_noise(law, 3000, 3) ** 2
    spread = np.std(squares) / np.mean(squares) / math.sqrt(200)
    assert abs(ratio - 1.0) < 5.0 * spread


def test_walkers_follow_their_law_in_every_channel() -> None:
    u = start()
    walkers = solved(u, {**WALKERS, "particles": 200000})
    truth = solved(u, {"kind": "modes", "limit": "cell-to-cell"})
    row = compare([truth, walkers], TIMES, reference="modes")["walkers"]
    assert row.verdict == "as predicted"
    assert row.ratio == pytest.approx(1.0, rel=0.2)
    wrong = solved(u[[0, 2, 1]], {**WALKERS, "particles": 200000})
    assert compare([truth, wrong], TIMES, reference="modes")["walkers"].verdict == "unexplained"


def test_round_off_is_told_as_such_where_theory_cannot_tell_an_error() -> None:
    u = np.ones((2, *GRID.shape))
    facts: dict[str, Any] = {"limit": "lattice", "prediction": "estimate", "predicted": [0.0, None]}
    reference = ds.Run("modes", np.array([0.0, 1.0]), u, {"limit": "lattice"})
    for error, verdict in ((1e-15, "as predicted"), (1e-9, "not judged")):
        run = ds.Run("ftcs", reference.times, u + np.array([0.0, error])[:, None, None], facts)
        assert compare([reference, run], reference.times)["ftcs"].verdict == verdict
