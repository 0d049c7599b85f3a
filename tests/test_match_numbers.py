"""Template matching of numbers of any size, beside hot cells, and where all is alike."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from diffusim import match
from diffusim.block import Array

pytestmark = pytest.mark.filterwarnings("error")


def picture(seed: int = 1) -> tuple[Array, Array]:
    u = np.random.default_rng(seed).random((40, 30))
    return u, u[8:15, 4:12].copy()


@pytest.mark.parametrize("pad", ["fit", "zero"])
@pytest.mark.parametrize("whiten", [None, 0.1])
@pytest.mark.parametrize("masked", [False, True])
def test_scores_do_not_know_how_large_the_numbers_are(
    pad: Any, whiten: float | None, masked: bool
) -> None:
    u, t = picture()
    weights = np.random.default_rng(2).random(t.shape) if masked else None
    keys: dict[str, Any] = {"pad": pad, "whiten": whiten, "mask": weights}
    score = match.correlate(u, t, **keys)
    for a, b in itertools.product((1e-300, 1e-200, 1e200, 1e308), (1e-200, 1.0, 1e200)):
        assert np.max(np.abs(match.correlate(a * u, b * t, **keys) - score)) < 1e-12
    if masked:
        for scale in (1e-200, 1e200):
            again = match.correlate(u, t, **{**keys, "mask": scale * np.asarray(weights)})
            assert np.max(np.abs(again - score)) < 1e-12


@pytest.mark.parametrize("size", [1e-37, 1e-30, 1e30, 3e38])
def test_nor_does_single_precision(size: float) -> None:
    u, t = picture()
    small = (size * u).astype(np.float32)
    for weights in (None, np.random.default_rng(2).random(t.shape)):
        score = match.correlate(small, t, mask=weights)
        assert score.dtype == np.float32
        assert np.max(np.abs(score - match.correlate(u, t, mask=weights))) < 1e-5


@pytest.mark.parametrize("kind", ["plain", "zero-mean"])
def test_sums_are_as_large_as_their_numbers_and_too_large_ones_are_refused(kind: Any) -> None:
    u, t = picture()
    wanted = match.correlate(u, t, kind)
    for a, b in ((2.0**-300, 2.0**200), (2.0**500, 2.0**500), (2.0**-400, 2.0**-500)):
        assert np.array_equal(match.correlate(a * u, b * t, kind), wanted * a * b)
    with pytest.raises(ValueError, match="larger than any number of float64"):
        match.correlate(1e200 * u, 1e200 * t, kind)


def test_whitening_keeps_the_size_of_picture_and_template() -> None:
    u, t = picture()
    white, small = match.whitened(u, t, 0.1)
    again = match.whitened(2.0**-800 * u, 2.0**700 * t, 0.1)
    assert np.array_equal(again[0], 2.0**-800 * white)
    assert np.array_equal(again[1], 2.0**700 * small)


@pytest.mark.parametrize(("hot", "most"), [(1e6, 1e-10), (1e8, 1e-8), (1e10, 1e-6)])
def test_a_hot_cell_costs_others_no_more_than_the_round_off_of_transforms(
    hot: float, most: float
) -> None:
    """As round-off the loss grows as the cell does, not as its square."""
    rng = np.random.default_rng(0)
    u, t = rng.random((100, 100)), rng.random((9, 9))
    beside = u.copy()
    beside[3, 3] = hot
    apart = (match.correlate(beside, t) - match.correlate(u, t))[15:, 15:]
    assert np.max(np.abs(apart)) < most


def test_what_is_lost_beside_a_hot_cell_has_no_score() -> None:
    rng = np.random.default_rng(0)
    u, t = rng.random((100, 100)), rng.random((9, 9))
    u[3, 3] = 1e20
    assert np.array_equal(match.correlate(u, t)[4:, 4:], np.zeros((88, 88)))


# --- nothing to find ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "zero-mean", "normalised"])
@pytest.mark.parametrize("pad", ["fit", "reflect", "wrap"])
def test_in_a_flat_picture_nothing_is_found(kind: Any, pad: Any) -> None:
    _, t = picture()
    for value in (0.0, 0.1, 7.0):
        assert match.find(np.full((20, 20), value), t, kind=kind, pad=pad, count=3) == []


def test_a_flat_part_of_a_picture_is_no_match() -> None:
    u, t = np.full((40, 40), 0.1), picture()[1]
    u[20:27, 10:18] = t
    found = match.find(u, t, count=50)
    assert found[0].score == pytest.approx(1.0, abs=1e-3)
    assert all(each.score != 0.0 for each in found)


def test_a_template_as_large_as_the_picture_is_found_in_it() -> None:
    u, _ = picture()
    assert match.find(u, u) == [((19.5, 14.5), pytest.approx(1.0, abs=1e-14))]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_score_that_is_no_number_has_no_peaks(value: float) -> None:
    score = np.zeros((9, 9))
    score[3, 4] = value
    with pytest.raises(ValueError, match="finite"):
        match.peaks(score, 1)


def test_peaks_are_looked_for_only_where_they_may_be() -> None:
    score = np.zeros(9)
    score[[2, 6]] = 2.0, 1.0
    (peak,) = match.peaks(score, 1, where=np.arange(9) > 3)
    assert peak == ((6.0,), 1.0)
    assert match.peaks(score, 5, where=np.zeros(9, dtype=bool)) == []
