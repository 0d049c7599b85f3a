"""Template matching: scores against sums patch by patch, and places found below a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffusim import convolve, match
from diffusim.block import Array
from diffusim.files import named_file, read_image
from diffusim.match import patches

MODES: dict[str, Any] = {"zero": "constant", "reflect": "symmetric", "wrap": "wrap"}
SHAPES = [((13, 11), (5, 3)), ((12, 9), (4, 6)), ((9, 9), (1, 4)), ((30,), (7,)), ((31,), (8,))]


def one_by_one(u: Array, t: Array, kind: str, pad: str, mask: Array | None = None) -> Array:
    """Scores by their definition, patch by patch, in two passes each."""
    w = np.ones(t.shape) if mask is None else mask.astype(float)
    if pad != "fit":
        u = np.pad(u, [(m // 2, m - 1 - m // 2) for m in t.shape], mode=MODES[pad])
    found = np.empty([n - m + 1 for n, m in zip(u.shape, t.shape, strict=True)])
    own = t - np.sum(w * t) / np.sum(w) if kind != "plain" else t
    for x in np.ndindex(*found.shape):
        patch = u[tuple(slice(k, k + m) for k, m in zip(x, t.shape, strict=True))]
        apart = patch - np.sum(w * patch) / np.sum(w) if kind != "plain" else patch
        found[x] = np.sum(w * own * apart)
        if kind == "normalised":
            seen = patch[w > 0]
            flat = np.max(seen) == np.min(seen)
            length = 1.0 if flat else np.sqrt(np.sum(w * own**2) * np.sum(w * apart**2))
            found[x] = 0.0 if flat else found[x] / length
    return found


def sample(shape: tuple[int, ...], size: tuple[int, ...], mean: float) -> tuple[Array, Array]:
    """A picture of noise, a part of it flat, and a template that has a mean."""
    rng = np.random.default_rng(sum(shape) + sum(size))
    u = rng.normal(size=shape) + mean
    u[: size[0] + 2] = mean + 0.3
    return u, rng.normal(size=size) + 2.0


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("pad", ["fit", "zero", "reflect", "wrap"])
@pytest.mark.parametrize("kind", ["plain", "zero-mean", "normalised"])
def test_every_score_is_the_sum_over_its_patch(kind: Any, pad: Any, mean: float) -> None:
    rng = np.random.default_rng(1)
    for shape, size in SHAPES:
        u, t = sample(shape, size, mean)
        for mask in (None, rng.random(size) > 0.3, rng.random(size)):
            wanted = one_by_one(u, t, kind, pad, mask)
            found = match.correlate(u, t, kind, mask=mask, pad=pad)
            assert found.shape == wanted.shape
            scale = 1.0 if kind == "normalised" else max(1.0, float(np.max(np.abs(wanted))))
            assert np.max(np.abs(found - wanted)) <= 1e-12 * scale


def test_a_template_larger_than_the_picture_looks_beyond_its_rim() -> None:
    u, t = np.random.default_rng(2).random((5, 4)), np.random.default_rng(3).random((9, 6))
    for pad in ("zero", "reflect", "wrap"):
        for kind in ("plain", "zero-mean", "normalised"):
            found = match.correlate(u, t, kind, pad=pad)  # type: ignore[arg-type]
            assert np.max(np.abs(found - one_by_one(u, t, kind, pad))) < 1e-12
    with pytest.raises(ValueError, match="does not fit"):
        match.correlate(u, t)


@pytest.mark.parametrize("shape", [(12, 9), (30,)])
@pytest.mark.parametrize("side", ["zero", "reflect", "wrap"])
def test_correlation_is_convolution_with_the_flipped_template(
    shape: tuple[int, ...], side: Any
) -> None:
    rng = np.random.default_rng(4)
    for size in ((5, 3), (4, 6)):
        u, t = rng.random(shape), rng.random(size[: len(shape)])
        sides, odd = [(side, side)] * len(shape), match.as_odd(t)
        collected = convolve.direct(u, odd, sides, collects=True)
        assert np.max(np.abs(match.correlate(u, t, "plain", pad=side) - collected)) < 1e-13
        if side != "reflect":
            sent = convolve.direct(u, convolve.flipped(odd), sides)
            assert np.max(np.abs(collected - sent)) < 1e-13


def test_each_axis_may_have_a_rim_of_its_own() -> None:
    u, t = sample((12, 9), (4, 3), 5.0)
    found = match.correlate(u, t, pad=("zero", "wrap"))
    wide = np.pad(u, [(2, 1), (0, 0)])
    wide = np.pad(wide, [(0, 0), (1, 1)], mode="wrap")
    assert np.max(np.abs(found - one_by_one(wide, t, "normalised", "fit"))) < 1e-12
    some = match.correlate(u, t, pad=("fit", "zero"))
    assert np.max(np.abs(some - match.correlate(u, t, pad="zero")[2:-1])) < 1e-12


def test_the_normalised_score_knows_nothing_of_gain_and_offset() -> None:
    u, t = sample((40, 30), (7, 6), 0.0)
    score = match.correlate(u, t)
    for gain, offset in ((3.0, 1e6), (1e-7, 2.0), (1e9, -1.0)):
        again = match.correlate(gain * u + offset, t)
        # Digits that the picture itself has lost beside its offset are lost.
        lost = 1e-16 * max(1.0, abs(offset) / gain)
        assert np.max(np.abs(again - score)) < 1e-12 + 30.0 * lost
    assert np.max(np.abs(match.correlate(u, -2.0 * t + 5.0) + score)) < 1e-12


def test_the_template_itself_scores_one_and_its_negative_minus_one() -> None:
    u = np.random.default_rng(5).random((30, 20))
    t = u[8:15, 4:12]
    score = match.correlate(u, t)
    assert abs(score[8, 4] - 1.0) < 1e-14
    assert np.max(np.abs(score)) <= 1.0
    assert abs(match.correlate(1.0 - u, t)[8, 4] + 1.0) < 1e-14
    assert abs(match.correlate(u, t, "zero-mean")[8, 4] - t.size * np.var(t)) < 1e-13


def test_flat_patches_score_nothing_whatever_lies_elsewhere() -> None:
    rng = np.random.default_rng(6)
    u = np.full((40, 40), 0.1)
    u[25:, 25:] = 1e3 * rng.random((15, 15))
    t = rng.random((5, 6))
    for mask in (None, rng.random(t.shape) > 0.4):
        assert np.array_equal(match.correlate(u, t, mask=mask)[:20, :19], np.zeros((20, 19)))


def test_a_mask_leaves_out_what_it_hides() -> None:
    u = np.random.default_rng(7).random((30, 25))
    t, mask = u[10:17, 6:14].copy(), np.ones((7, 8), dtype=bool)
    mask[2:5, 3:] = False
    t[~mask] = 50.0
    assert abs(match.correlate(u, t, mask=mask)[10, 6] - 1.0) < 1e-12
    assert match.correlate(u, t)[10, 6] < 0.9
    every = np.ones(t.shape)
    apart = match.correlate(u, t, mask=every) - match.correlate(u, t)
    assert np.max(np.abs(apart)) < 1e-12


@pytest.mark.parametrize("mask", [False, True])
def test_large_pictures_are_worked_on_in_pieces_and_come_out_the_same(
    monkeypatch: pytest.MonkeyPatch, mask: bool
) -> None:
    u, t = sample((470, 430), (6, 9), 3.0)
    weights = np.random.default_rng(8).random(t.shape) if mask else None
    whole = match.correlate(u, t, mask=weights)
    monkeypatch.setattr(patches, "LARGE", 1000)
    pieces: list[tuple[int, ...]] = []
    inner = np.conj

    def counted(f: Array) -> Array:
        pieces.append(f.shape)
        return np.asarray(inner(f))

    monkeypatch.setattr(np, "conj", counted)
    cut = match.correlate(u, t, mask=weights)
    assert all(shape[0] < 470 for shape in pieces)
    assert np.max(np.abs(cut - whole)) < 1e-12


def test_single_precision_stays_single() -> None:
    u, t = sample((40, 30), (7, 6), 0.5)
    double = match.correlate(u, t, pad="zero")
    single = match.correlate(u.astype(np.float32), t, pad="zero")
    assert single.dtype == np.float32
    assert np.max(np.abs(single - double)) < 1e-5


# --- whitening ----------------------------------------------------------------------------------


def test_whitening_evens_the_spectrum_out_and_leaves_white_pictures_white() -> None:
    rng = np.random.default_rng(9)
    u = np.cumsum(np.cumsum(rng.normal(size=(32, 24)), 0), 1)
    white, _ = match.whitened(u, u[:5, :5], 1e-9)
    power = np.abs(np.fft.fft2(white)) ** 2
    assert power[0, 0] < 1e-15 * np.max(power)
    flat = np.delete(power.ravel(), 0)
    assert np.min(flat) > 0.99 * np.max(flat)
    delta = np.zeros((32, 24))
    delta[3, 4] = 1.0
    _, same = match.whitened(delta, u[:5, :5], 1e-12)
    scale = np.sqrt(np.mean(np.abs(np.fft.fft2(delta - np.mean(delta))) ** 2))
    apart = same / scale - u[:5, :5]
    # White but for its mean over the ring, which is taken off.
    assert np.max(np.abs(apart + np.sum(u[:5, :5]) / delta.size)) < 1e-9 * np.ptp(u[:5, :5])


def test_with_a_floor_of_nothing_a_picture_keeps_its_phases_only() -> None:
    u = np.random.default_rng(14).normal(size=(16, 12))
    before = np.fft.fft2(u)
    before[0, 0] = before[3, :] = before[-3, :] = 0.0
    held = before != 0.0
    u = np.fft.ifft2(before).real
    white, _ = match.whitened(u, u[:3, :3], 0.0)
    after = np.fft.fft2(white)
    assert np.ptp(np.abs(after[held])) < 1e-11 * np.max(np.abs(after))
    phases = after[held] * np.abs(before[held]) / before[held]
    assert np.max(np.abs(phases - np.mean(phases.real))) < 1e-10 * np.max(np.abs(after))
    assert np.array_equal(match.whitened(np.ones((4, 4)), np.eye(2), 0.0)[0], np.zeros((4, 4)))


def test_whitened_scores_know_nothing_of_the_templates_mean_and_of_what_is_hidden() -> None:
    rng = np.random.default_rng(12)
    u, t = np.cumsum(rng.normal(size=(40, 30)), 0), rng.random((6, 5))
    mask = rng.random(t.shape) > 0.2
    score = match.correlate(u, t, mask=mask, whiten=0.1)
    again = match.correlate(u, np.where(mask, t + 5.0, 100.0), mask=mask, whiten=0.1)
    assert np.max(np.abs(again - score)) < 1e-12


def test_whitened_a_patch_is_found_in_noise_that_hides_it_otherwise() -> None:
    """In 1/k noise it is found in 300 of 300 fields, with 6.5 deviations to spare; else in 222.

    False alarm: below 1e-9 for each of three, had the seeds not been fixed; they are some of those
    that hide it.
    """
    n, hidden = 128, 0
    t = read_image(named_file("portrait"), (n, n))[50:66, 76:96]
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    k[0, 0] = np.inf
    for seed in (4, 10, 15):
        white = np.random.default_rng(seed).normal(size=(2, n, n))
        noise = np.fft.ifft2(np.fft.fft2(white[0]) / k).real
        u = 0.3 * noise / np.std(noise) + 0.02 * white[1]
        u[40:56, 70:90] += t - np.mean(t)
        (found,) = match.find(u, t, pad="wrap", whiten=0.01)
        assert np.max(np.abs(np.subtract(found.place, (47.5, 79.5)))) < 1.0
        (plain,) = match.find(u, t, pad="wrap")
        hidden += np.max(np.abs(np.subtract(plain.place, (47.5, 79.5)))) > 1.0
    assert hidden == 3


# --- peaks --------------------------------------------------------------------------------------


def blob(shape: tuple[int, ...], place: tuple[float, ...], width: float) -> Array:
    """A Gaussian that leans, so that its axes are not those of the array."""
    away = np.meshgrid(*[np.arange(n) - x for n, x in zip(shape, place, strict=True)],
                       indexing="ij")  # fmt: skip
    square = sum(a * a for a in away)
    if len(away) == 2:
        square = square + 0.7 * away[0] * away[1]
    return np.asarray(np.exp(-0.5 * square / width**2))


@pytest.mark.parametrize("width", [1.5, 3.0])
def test_a_blob_between_cells_is_found_to_a_tenth_of_a_cell(width: float) -> None:
    t = blob((15, 13), (7.0, 6.0), width)
    for part in np.linspace(-0.5, 0.5, 7):
        place = 20.0 + part, 17.0 - 0.7 * part
        u = blob((40, 35), place, width)
        (peak,) = match.peaks(u, 1, 5.0)
        assert np.max(np.abs(np.subtract(peak.place, place))) < 0.1
        assert abs(peak.score - 1.0) < 0.05
        (found,) = match.find(u, t)
        assert np.max(np.abs(np.subtract(found.place, place))) < 0.1
        (line,) = match.peaks(blob((40,), place[:1], width), 1)
        assert abs(line.place[0] - place[0]) < 0.1


def test_a_parabola_is_refined_exactly() -> None:
    x, y = np.arange(12.0)[:, None], np.arange(9.0)
    u = 3.0 - 0.5 * (x - 4.3) ** 2 - 0.2 * (y - 5.8) ** 2 + 0.1 * (x - 4.3) * (y - 5.8)
    (peak,) = match.peaks(u, 1)
    assert np.max(np.abs(np.subtract(peak.place, (4.3, 5.8)))) < 1e-12
    assert abs(peak.score - 3.0) < 1e-12


def test_peaks_come_in_order_and_the_lower_of_two_near_ones_is_left_out() -> None:
    u = np.zeros((20, 20))
    for (x, y), height in {(3, 3): 1.0, (3, 7): 0.9, (12, 5): 1.0, (15, 15): 2.0}.items():
        u[x, y] = height
    assert [p.place for p in match.peaks(u, 3, 5.0)] == [(15, 15), (3, 3), (12, 5)]
    assert [p.place for p in match.peaks(u, 9, 4.0, least=0.5)] == [
        (15, 15), (3, 3), (12, 5), (3, 7)
    ]  # fmt: skip
    assert len(match.peaks(u, 9, 4.5, least=0.5)) == 3
    assert [p.score for p in match.peaks(u, 2, 2.0, least=0.95)] == [2.0, 1.0]


def test_peaks_that_are_alike_come_in_the_order_of_the_array() -> None:
    heights = np.random.default_rng(13).integers(1, 4, (20, 20))
    u = np.zeros((120, 120))
    u[3::6, 3::6] = heights
    cells = [
        (3 + 6 * i, 3 + 6 * j) for level in (3, 2, 1) for i, j in np.argwhere(heights == level)
    ]
    assert np.array_equal([p.place for p in match.peaks(u, 400, 3.0, least=0.5)], cells)


def test_the_slope_beside_a_peak_that_was_left_out_is_no_peak() -> None:
    u = blob((40, 40), (20.0, 20.0), 5.0)
    assert len(match.peaks(u, 5, 3.0)) == 1


def test_on_a_ring_a_peak_reaches_round_and_at_a_rim_it_stays_on_its_cell() -> None:
    u = np.roll(blob((30, 20), (15.0, 10.0), 2.0), (-15, 0), (0, 1))
    shifted = 0.6 * u + 0.4 * np.roll(u, -1, 0)
    (ring,) = match.peaks(shifted, 1, 4.0, rings=(True, False))
    assert 29.5 < ring.place[0] < 29.7
    first, second = match.peaks(shifted, 2, 4.0)
    assert first.place[0] == 0.0
    assert second.place[0] == 29.0
    assert abs(first.place[1] - 10.0) < 0.2


# --- finding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", ["fit", "zero", "reflect", "wrap"])
@pytest.mark.parametrize("size", [(7, 8), (6, 5)])
def test_a_patch_is_found_where_it_was_cut_whatever_its_size(
    size: tuple[int, int], pad: Any
) -> None:
    u = np.random.default_rng(10).random((40, 30))
    t = u[9 : 9 + size[0], 14 : 14 + size[1]]
    (found,) = match.find(u, t, pad=pad)
    middle = 9 + 0.5 * (size[0] - 1), 14 + 0.5 * (size[1] - 1)
    assert np.max(np.abs(np.subtract(found.place, middle))) < 0.5
    assert round(found.score, 1) == 1.0


def test_two_faces_are_both_found_and_nothing_else_is_as_good() -> None:
    rng = np.random.default_rng(11)
    t = read_image(named_file("portrait"), (64, 64))[22:42, 30:50]
    u = 0.1 * rng.normal(size=(96, 80))
    u[10:30, 12:32] += 0.5 * t
    u[60:80, 50:70] += 2.0 * t + 1.0
    one, two, three = match.find(u, t, count=3)
    assert np.max(np.abs(np.subtract(one.place, (69.5, 59.5)))) < 0.2
    assert np.max(np.abs(np.subtract(two.place, (19.5, 21.5)))) < 0.2
    assert three.score < 0.5 * two.score


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"template": np.ones((3, 3))}, "flat"),
        ({"template": np.ones(3)}, "as many"),
        ({"image": np.full((9, 9), np.nan)}, "finite"),
        ({"image": np.ones((9, 9), dtype=complex)}, "real"),
        ({"mask": np.ones((2, 2))}, "shape of its template"),
        ({"mask": np.zeros((3, 3))}, "not all of them 0"),
        ({"mask": -np.ones((3, 3))}, "from 0 on"),
        ({"pad": "mirror"}, "a pad is"),
        ({"kind": "best"}, "a correlation is"),
        ({"whiten": -0.1}, "floor"),
        ({"whiten": 0.1, "image": np.eye(2), "pad": "zero"}, "larger than"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"image": np.eye(9), "template": np.eye(3)}
    with pytest.raises(ValueError, match=words):
        match.correlate(**{**given, **change})
