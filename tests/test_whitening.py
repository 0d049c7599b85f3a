"""Whitening: the covariance becomes the identity, and what cannot be whitened is said in words."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim.block import Array
from diffusim.whitening import Kind, centre, covariance, scale, whitening

KINDS: list[Kind] = ["pca", "zca"]


def samples(n: int = 400, columns: int = 5, condition: float = 1e2, seed: int = 1) -> Array:
    """Samples about a mean of their own, of spreads from one down to 1 / condition, turned."""
    random = np.random.default_rng(seed)
    spread = np.geomspace(1.0, 1.0 / condition, columns)
    turn = np.linalg.qr(random.standard_normal((columns, columns)))[0]
    return random.standard_normal((n, columns)) * spread @ turn + random.standard_normal(columns)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e8])
@pytest.mark.parametrize("columns", [1, 5, 20])
def test_whitened_covariance_is_the_identity(kind: Kind, condition: float, columns: int) -> None:
    u = samples(columns=columns, condition=condition)
    made = whitening(u, kind)
    found = np.atleast_2d(np.cov(made.apply(u), rowvar=False))
    np.testing.assert_allclose(found, np.eye(columns), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(np.mean(made.apply(u), axis=0), 0.0, rtol=0, atol=1e-6)
    assert made.condition == pytest.approx(condition if columns > 1 else 1.0, rel=0.6)
    assert made.rank == columns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scaled", [False, True])
def test_undone_whitened_samples_are_the_samples(kind: Kind, scaled: bool) -> None:
    for condition, other in ((1e8, 1), (1e2, 2)):
        made = whitening(samples(condition=condition), kind, scaled=scaled)
        u = samples(condition=condition, seed=other)
        np.testing.assert_allclose(made.undo(made.apply(u)), u, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_whitening_is_one_linear_map_of_every_sample(kind: Kind) -> None:
    u = samples()
    made = whitening(u, kind)
    a, b = u[:10], u[10:20]
    middle = made.apply(0.3 * a + 0.7 * b)
    np.testing.assert_allclose(
        middle, 0.3 * made.apply(a) + 0.7 * made.apply(b), rtol=1e-9, atol=1e-10
    )


def test_principal_directions_come_widest_first_with_their_largest_part_positive() -> None:
    u = samples()
    made = whitening(u)
    values, vectors = np.linalg.eigh(np.cov(u, rowvar=False))
    np.testing.assert_allclose(made.deviations**2, values[::-1], rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(made.directions @ vectors[:, ::-1]), np.eye(5), rtol=1e-8, atol=1e-8
    )
    assert np.all(made.directions[np.arange(5), np.argmax(np.abs(made.directions), axis=1)] > 0.0)


def test_turned_back_whitening_is_the_symmetric_inverse_root_of_the_covariance() -> None:
    u = samples(condition=5.0)
    values, vectors = np.linalg.eigh(np.cov(u, rowvar=False))
    root = vectors / np.sqrt(values) @ vectors.T
    np.testing.assert_allclose(
        whitening(u, "zca").apply(u), (u - u.mean(0)) @ root, rtol=1e-9, atol=1e-11
    )


def test_turned_back_samples_stay_closest_to_themselves() -> None:
    u, _ = centre(samples(condition=5.0))
    away = {kind: np.sum((whitening(u, kind).apply(u) - u) ** 2) for kind in KINDS}
    assert away["zca"] < away["pca"]


def test_scaled_columns_are_whitened_alike_whatever_their_units() -> None:
    u = samples(condition=5.0)
    units = np.array([1.0, 1e2, 1e-2, 1e4, 1e-4])
    one, other = (whitening(v, "zca", scaled=True) for v in (u, u * units))
    np.testing.assert_allclose(other.apply(u * units), one.apply(u), rtol=1e-8, atol=1e-10)
    assert other.condition == pytest.approx(one.condition, rel=1e-9)
    assert one.condition < 10.0 < 1e7 < whitening(u * units).condition


def test_a_large_mean_spoils_nothing() -> None:
    u = samples(condition=10.0)
    far = whitening(u + 1e6, "zca").apply(u + 1e6)
    assert np.max(np.abs(covariance(far) - np.eye(5))) < 1e-10
    np.testing.assert_allclose(far, whitening(u, "zca").apply(u), rtol=0, atol=1e-7)


def test_a_condition_of_a_million_million_is_refused_and_said() -> None:
    u = samples(condition=1e12)
    said = (
        r"1 of 5 directions have less than 1e-10 of the largest spread \(condition 1e\+12, 400 "
        r"samples\); leave them out"
    )
    with pytest.raises(ValueError, match=said):
        whitening(u)


@pytest.mark.parametrize("kind", KINDS)
def test_directions_left_out_are_lost_and_the_others_white(kind: Kind) -> None:
    u = samples(columns=4)
    flat = np.column_stack([u, u[:, 0] - 2.0 * u[:, 1]])
    with pytest.raises(ValueError, match="1 of 5 directions"):
        whitening(flat, kind)
    made = whitening(flat, kind, leave_out=True)
    assert made.rank == 4
    white = made.apply(flat)
    assert white.shape == (400, 4 if kind == "pca" else 5)
    spread = np.linalg.eigvalsh(np.cov(white, rowvar=False))
    np.testing.assert_allclose(spread[-4:], 1.0, rtol=1e-10)
    assert np.all(np.abs(spread[:-4]) < 1e-12)
    np.testing.assert_allclose(made.undo(white), flat, rtol=1e-9, atol=1e-12)


def test_fewer_samples_than_columns_leave_directions_without_spread() -> None:
    u = samples(4, 6)
    with pytest.raises(ValueError, match=r"3 of 6 directions .*\(condition inf, 4 samples\)"):
        whitening(u)
    made = whitening(u, leave_out=True)
    assert made.rank == 3
    np.testing.assert_allclose(np.cov(made.apply(u).T), np.eye(3), rtol=1e-9, atol=1e-10)


def test_samples_are_centred_and_scaled_by_columns() -> None:
    u = samples(50, 3) * [1.0, 10.0, 100.0]
    centred, mean = centre(u)
    np.testing.assert_allclose(mean, u.mean(0), rtol=1e-12)
    np.testing.assert_allclose(centred.mean(0), 0.0, rtol=0, atol=1e-14)
    scaled, deviations = scale(u)
    np.testing.assert_allclose(deviations, u.std(0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(scaled, u / u.std(0, ddof=1), rtol=1e-12)
    same = np.column_stack([u[:, 0], np.full(50, 7.0)])
    assert scale(same)[1][1] == 1.0
    np.testing.assert_allclose(covariance(u), np.cov(u, rowvar=False), rtol=1e-10)


@pytest.mark.parametrize(
    ("u", "message"),
    [
        (np.ones((5, 3)), "the samples are all alike"),
        (np.ones(5), "expected two samples in rows at least"),
        (np.ones((1, 5)), "expected two samples in rows at least"),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), "expected finite numbers"),
    ],
)
def test_what_has_no_covariance_is_refused(u: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        whitening(u)


@pytest.mark.parametrize("value", [0.1, -1e300, 7.0, 1e-300])
@pytest.mark.parametrize("n", [3, 1001])
def test_a_column_of_one_value_does_not_vary_whatever_its_mean_is_rounded_to(
    value: float, n: int
) -> None:
    flat = np.full((n, 2), value)
    scaled, deviations = scale(flat)
    np.testing.assert_array_equal(scaled, flat)
    np.testing.assert_array_equal(deviations, 1.0)
    with pytest.raises(ValueError, match="the samples are all alike"):
        whitening(flat)
    beside = np.column_stack([samples(n, 1), flat[:, 0]])
    for scaling in (False, True):
        assert whitening(beside, scaled=scaling, leave_out=True).rank == 1


def test_a_column_that_differs_by_round_off_only_does_not_vary() -> None:
    u = np.array([[0.3], [0.1 + 0.2], [0.3]])
    assert np.ptp(u) > 0.0
    assert scale(u)[1] == 1.0


def test_a_column_that_hardly_varies_is_scaled_all_the_same() -> None:
    u = 1.0 + 1e-13 * np.arange(4.0)[:, None]
    np.testing.assert_allclose(scale(u)[1], np.std(u, ddof=1), rtol=1e-3)


@pytest.mark.parametrize("floor", [-1.0, 1.0, float("nan"), float("inf")])
def test_a_floor_that_is_no_part_of_a_spread_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match="a part of the largest spread, from 0 up to 1, found"):
        whitening(samples(), floor=floor)


def test_kinds_and_numbers_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 'pca' or 'zca' as the kind of whitening"):
        whitening(samples(), "foo")  # type: ignore[arg-type]
    for read in (centre, scale, covariance, whitening):
        with pytest.raises(ValueError, match="expected real numbers, found complex ones"):
            read(samples() + 0j)
