"""Sweeps and random numbers against slow twins, exact laws and published numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import twins
from scipy import special
from twins import ALPHA, KEY, WRAPS, closed_faces, p_of_chi_square

from diffusim.loops import random, sweeps

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 7), (5, 1), (2, 2), (3, 5), (8, 8), (7, 13)]
VARIANTS = ("numbers", "vectors", "fields")


def coefficients(shape, variant, dtype=np.float64, seed=3):
    """Return coefficients as a loop takes them, and as four that broadcast with the field."""
    rng, (n0, n1) = np.random.default_rng(seed), shape
    if variant == "numbers":
        return (0.21, 0.17), [dtype(0.21)] * 2 + [dtype(0.17)] * 2
    if variant == "vectors":
        faces = [rng.random(n).astype(dtype) / 4 for n in (n0, n0, n1, n1)]
        return faces, [faces[0][:, None], faces[1][:, None], faces[2], faces[3]]
    faces = [rng.random(shape).astype(dtype) / 4 for _ in range(4)]
    return faces, faces


def field(shape, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    u = rng.random(shape) + 1j * rng.random(shape)
    return np.ascontiguousarray(u if np.iscomplexobj(dtype(0)) else u.real).astype(dtype)


def stepped(variant, u, count, given, wraps):
    u = np.ascontiguousarray(u).copy()
    getattr(sweeps, f"step_{variant}")(u, np.full_like(u, np.nan), count, *given, *wraps)
    return u


# sweeps


@pytest.mark.interpreted
@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_are_their_twin_to_the_last_bit(variant):
    for shape, wraps, count in itertools.product(SHAPES, WRAPS, (0, 1, 2, 5)):
        given, faces = coefficients(shape, variant)
        u = field(shape)
        np.testing.assert_array_equal(
            stepped(variant, u, count, given, wraps), twins.step(u, count, faces, wraps)
        )


@pytest.mark.interpreted
@pytest.mark.parametrize("variant", VARIANTS)
def test_series_are_their_twin_to_the_last_bit_and_go_on_where_they_stopped(variant):
    weights = np.array([0.5, -0.3, 0.2, 0.1, 0.05])
    for shape, wraps in itertools.product(SHAPES, WRAPS):
        given, faces = coefficients(shape, variant)
        start = [field(shape, seed=seed) for seed in (1, 2, 3)]
        expected = twins.expand(*start, weights, faces, 1.9, -0.9, wraps)
        for slices in ([5], [2, 5], [0, 1, 4, 5]):
            terms = [u.copy() for u in start]
            for part in np.split(weights, slices):
                expand = getattr(sweeps, f"expand_{variant}")
                expand(*terms, part, *given, 1.9, -0.9, *wraps)
            np.testing.assert_array_equal(terms, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_in_single_precision_are_their_twin_to_the_last_bit(variant):
    given, faces = coefficients((7, 13), variant, np.float32)
    u = field((7, 13), np.float32)
    result = stepped(variant, u, 5, given, (False, True))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, twins.step(u, 5, faces, (False, True)))


@pytest.mark.interpreted
def test_real_and_imaginary_part_of_a_complex_field_step_by_themselves():
    given, _ = coefficients((8, 8), "fields")
    u = field((8, 8), np.complex128)
    result = stepped("fields", u, 4, given, (True, False))
    np.testing.assert_array_equal(result.real, stepped("fields", u.real, 4, given, (True, False)))
    np.testing.assert_array_equal(result.imag, stepped("fields", u.imag, 4, given, (True, False)))


@pytest.mark.interpreted
def test_a_series_of_real_terms_takes_complex_weights():
    weights = np.array([0.5, 0.2j, 0.1 - 0.3j])
    start = [field((8, 8)), field((8, 8), seed=2), field((8, 8), np.complex128)]
    expected = twins.expand(*start, weights, [0.2] * 4, 2.0, -1.0, (True, True))
    sweeps.expand_numbers(*start, weights, 0.2, 0.2, 2.0, -1.0, True, True)
    np.testing.assert_allclose(start[2], expected[2], rtol=1e-13)


@pytest.mark.interpreted
@pytest.mark.parametrize("wraps", WRAPS)
def test_steps_are_powers_of_the_matrix_of_their_fluxes(wraps):
    for shape in SHAPES:
        faces, _ = coefficients(shape, "fields")
        u = field(shape)
        a = np.eye(u.size) + twins.matrix(shape, faces, wraps)
        expected = (np.linalg.matrix_power(a, 6) @ u.ravel()).reshape(shape)
        np.testing.assert_allclose(stepped("fields", u, 6, faces, wraps), expected, rtol=1e-13)


@pytest.mark.interpreted
def test_numbers_vectors_and_fields_of_the_same_values_give_the_same_bits():
    r0, r1, (n0, n1) = 0.21, 0.17, (7, 13)
    vectors = np.full(n0, r0), np.full(n0, r0), np.full(n1, r1), np.full(n1, r1)
    fields = [np.full((n0, n1), r) for r in (r0, r0, r1, r1)]
    results = [
        stepped(variant, field((n0, n1)), 9, given, (False, True))
        for variant, given in zip(VARIANTS, ((r0, r1), vectors, fields), strict=True)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.interpreted
@pytest.mark.parametrize("wraps", WRAPS)
def test_flips_and_transposition_are_exact_symmetries(wraps):
    u, (low0, high0, low1, high1) = field((7, 13)), closed_faces((7, 13))
    result = stepped("fields", u, 9, (low0, high0, low1, high1), wraps)

    def arrays(*faces):
        return [np.ascontiguousarray(face) for face in faces]

    upside = arrays(high0[::-1], low0[::-1], low1[::-1], high1[::-1])
    turned = arrays(low0[:, ::-1], high0[:, ::-1], high1[:, ::-1], low1[:, ::-1])
    across = arrays(low1.T, high1.T, low0.T, high0.T)
    np.testing.assert_array_equal(stepped("fields", u[::-1], 9, upside, wraps)[::-1], result)
    np.testing.assert_array_equal(stepped("fields", u[:, ::-1], 9, turned, wraps)[:, ::-1], result)
    np.testing.assert_array_equal(stepped("fields", u.T, 9, across, wraps[::-1]).T, result)


@pytest.mark.parametrize("wraps", WRAPS)
def test_salt_is_kept_to_1e_14_over_ten_thousand_steps(wraps):
    u = field((31, 17))
    result = stepped("fields", u, 10_000, closed_faces((31, 17)), wraps)
    assert math.fsum(result.flat) == pytest.approx(math.fsum(u.flat), rel=1e-14)


@pytest.mark.interpreted
def test_a_chebyshev_series_gives_the_polynomials_of_an_eigenmode():
    n = 8
    theta = np.pi * 3 / n
    mode = np.cos(theta * (np.arange(n) + 0.5))[None, :]  # A mode = 2 (cos theta - 1) mode
    for k in (1, 2, 7, 8):
        older, newer, total = mode.copy(), np.cos(theta) * mode, np.zeros((1, n))
        weights = np.eye(k)[-1]
        sweeps.expand_numbers(older, newer, total, weights, 0.0, 1.0, 2.0, -1.0, False, False)
        np.testing.assert_allclose(total, np.cos((k + 1) * theta) * mode, rtol=1e-12)


# random numbers


@pytest.mark.interpreted
def test_philox_gives_the_known_answers_of_random123():
    answers = {
        (0, 0, 0, 0, 0, 0): (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        (0xFFFFFFFF,) * 6: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0): (
            0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1,
        ),
    }  # fmt: skip
    for given, answer in answers.items():
        assert random.philox(*given) == answer
        assert twins.philox(given[:4], given[4:]) == answer


@pytest.mark.interpreted
def test_deviates_and_uniform_numbers_are_their_twins_beyond_2_to_32_particles_too():
    first, out = 2**32 - 20, np.empty((2, 40))
    random.normals(out, first, *KEY, 7, 3)
    words = [twins.words(first + k, KEY, 7, 3) for k in range(40)]
    np.testing.assert_allclose(out.T, [twins.normal_pair(*w) for w in words], rtol=0, atol=1e-14)
    random.uniforms(out, first, *KEY, 7, 3)
    np.testing.assert_array_equal(out.T, [(twins.unit(*w[:2]), twins.unit(*w[2:])) for w in words])


def test_logarithm_and_circle_agree_with_the_library_to_a_few_units_in_the_last_place():
    rng = np.random.default_rng(1)
    near = 1.0 - rng.integers(0, 2**20, 5000) * 2.0**-52
    for x in np.concatenate([rng.random(5000), 2.0 ** -np.arange(53), near, 52 * [np.sqrt(0.5)]]):
        assert random.logarithm(x) == pytest.approx(math.log(x), rel=1e-15)
    corners = [0, 1, 2**30 - 1, 2**30, 2**31, 2**32 - 1]
    for a, b in itertools.chain(
        rng.integers(0, 2**32, (5000, 2)).tolist(), itertools.product(corners, corners)
    ):
        angle = math.pi / 2 * ((a >> 30) + (((a << 22) & (2**52 - 1)) | (b >> 10)) / 2**52 - 0.5)
        cosine, sine = random.circle(np.uint64(a), np.uint64(b))
        assert (cosine, sine) == pytest.approx((math.cos(angle), math.sin(angle)), abs=2e-15)


@pytest.mark.parametrize("n", [10**6, pytest.param(10**7, marks=pytest.mark.proof)])
def test_normal_deviates_are_normal_and_independent(n):
    """Chi-square, Kolmogorov and moments of n deviates; ten tests, alpha 1e-6 each."""
    pair = np.empty((2, n // 2))
    random.normals(pair, 0, *KEY)
    z = np.sort(pair, axis=None)
    bins = special.ndtri(np.arange(1, 1000) / 1000)
    inner = np.diff(np.searchsorted(z, bins), prepend=0, append=n)
    assert p_of_chi_square(inner, np.full(1000, n / 1000)) > ALPHA
    law = special.ndtr(z)
    distance = max(np.max(law - np.arange(n) / n), np.max(np.arange(1, n + 1) / n - law))
    assert special.kolmogorov(distance * math.sqrt(n)) > ALPHA
    limit = special.ndtri(1 - ALPHA / 2)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**power) - mean) < limit * math.sqrt(variance / n)
    for one, other in (pair, (pair[0, 1:], pair[0, :-1]), (pair[0, 256:], pair[1, :-256])):
        assert abs(np.mean(one * other)) < limit / math.sqrt(len(one))
    assert abs(np.mean(pair[0] ** 2 * pair[1] ** 2) - 1) < limit * math.sqrt(8 / (n // 2))
