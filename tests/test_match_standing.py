"""Which places stand out of a score, and what is said of them; rims, and tops between cells."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim import match
from diffusim.files import named_file, read_image
from diffusim.match import Match, Standing
from diffusim.match.patches import Laid

PORTRAIT = read_image(named_file("portrait"), (96, 96))


def heights_of(u: np.ndarray, t: np.ndarray, count: int = 3) -> list[Standing]:
    return match.standing(match.correlate(u, t), match.find(u, t, count=count))


def test_heights_are_deviations_of_fishers_z_in_median_deviations() -> None:
    z = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) + 0.2
    found = match.heights(np.tanh(z), [np.tanh(0.2), np.tanh(2.2), np.tanh(-0.8)])
    # The median is 0.2, the median size of deviations 0.5, and a normal law has 0.6745 of its own.
    assert found == pytest.approx([0.0, 4.0 * 0.674489750196, -2.0 * 0.674489750196], abs=1e-11)


def test_of_normal_scores_the_height_is_how_many_standard_deviations_they_are_above() -> None:
    """Medians of 40000 deviates err by 0.7 %; false alarm below 1e-9, and the seed is fixed."""
    z = 0.1 + 0.05 * np.random.default_rng(1).normal(size=40000)
    (height,) = match.heights(np.tanh(z), [float(np.tanh(0.1 + 0.3))])
    assert height == pytest.approx(6.0, rel=0.05)


def test_flat_patches_do_not_count_and_where_nothing_scatters_all_else_stands_out() -> None:
    rng = np.random.default_rng(2)
    score = rng.uniform(-0.3, 0.3, 200)
    empty = np.concatenate([score, np.zeros(5000)])
    assert match.heights(empty, [0.9]) == match.heights(score, [0.9])
    assert match.heights(np.zeros(9), [0.0, 0.5, -0.5]) == [0.0, np.inf, -np.inf]


def test_a_patch_stands_out_and_what_is_only_the_best_does_not() -> None:
    best, other, _ = heights_of(PORTRAIT, PORTRAIT[40:57, 30:47])
    assert best.clear
    assert not other.clear
    assert other.height < 5.0
    turned = np.rot90(PORTRAIT)[10:27, 60:77]
    assert not any(each.clear for each in heights_of(PORTRAIT, turned))


def test_the_best_of_noise_does_not_stand_out() -> None:
    """Of 900 places one is 6 standard deviations above with a chance of 9e-7."""
    rng = np.random.default_rng(1)
    found = heights_of(rng.normal(size=(46, 46)), rng.normal(size=(17, 17)), 1)
    assert 2.0 < found[0].height < match.CLEAR


def test_no_place_stands_higher_than_the_highest_cell() -> None:
    score = np.tanh(np.random.default_rng(3).normal(size=300))
    (one,) = match.standing(score, [Match((3.0,), 1.0)])
    assert one.height == match.heights(score, [float(np.max(score))])[0]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "no place is better than another"),
        ([(0.3, 3.456), (-0.06, -1.0)], "no place stands out: the best, at A, has the correlation "
         "0.30, 3.5 times the scatter; a match has 6 or more"),
        ([(0.7, 8.74), (-0.064, 3.0)], "the template is found at A: correlation 0.70, 8.7 times "
         "the scatter; the next best is \N{MINUS SIGN}0.06, no match"),
        ([(0.99, 21.3), (0.98, 17.2), (0.3, 3.0)], "the template is found at 2 places: A, 0.99, 21 "
         "times the scatter; B, 0.98, 17 times the scatter; the next best is 0.30, no match"),
        ([(1.0, np.inf), (1.0, np.inf)], "the template is found at 2 places, or more: A, 1.00, "
         "where nothing else scatters; B, 1.00, where nothing else scatters"),
    ],
)  # fmt: skip
def test_what_is_found_is_told_in_a_sentence(found: list[tuple[float, float]], words: str) -> None:
    places = [Standing(Match((0.0,), score), height) for score, height in found]
    assert match.in_words(places, list("ABC")) == words


def test_the_top_of_a_ridge_that_leans_stays_within_half_a_cell_of_its_highest_cell() -> None:
    x, y = np.arange(-1.0, 2.0)[:, None], np.arange(-1.0, 2.0)
    ridge = -((x + 2.0 * y) ** 2) - 0.1 * (2.0 * x - y - 3.0) ** 2
    (peak,) = match.peaks(ridge, 1)
    # The paraboloid's own top is 1.2 cells away, farther than another cell.
    assert peak.place == (1.5, 0.5)


def test_before_a_rim_of_zeros_a_low_level_is_left_and_a_high_one_taken_off() -> None:
    u = np.random.default_rng(4).normal(size=(20, 15))
    small, large = (Laid(u + mean, (3, 3), ["zero", "fit"]) for mean in (5.0, 50.0))
    assert small.level == 0.0
    assert large.level == np.median(u + 50.0)
    assert Laid(u + 5.0, (3, 3), ["fit", "wrap"]).level == np.median(u + 5.0)
