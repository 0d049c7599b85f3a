"""Sweeps and random numbers against slow twins, exact laws and published numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import twins
from scipy import special
from twins import ALPHA, KEY, WRAPS, p_of_chi_square

from diffusim.loops import random, sweeps

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 7), (5, 1), (2, 2), (3, 5), (8, 8), (7, 13)]
STILL = ("numbers", "vectors", "fields")
MEDIA = (*STILL, "flow fields", "flow vectors", "numbers open", "fields open", "flow fields open")


def field(shape, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    u = rng.random(shape) + 1j * rng.random(shape)
    return np.ascontiguousarray(u if np.iscomplexobj(dtype(0)) else u.real).astype(dtype)


def stepped(u, count, medium, total=None):
    u = np.ascontiguousarray(u).copy()
    sweeps.step(u, np.full_like(u, np.nan), total, count, *medium)
    return u


def contiguous(medium):
    arrays = [np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for v in medium]
    return twins.Medium(*arrays)


# sweeps


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", MEDIA)
def test_steps_are_their_twin_to_the_last_bit(kind):
    for shape, wraps, count in itertools.product(SHAPES, WRAPS, (0, 1, 2, 5)):
        medium, u = twins.medium(shape, kind, wraps), field(shape)
        total = field(shape, seed=2) if "open" in kind else None
        expected = twins.step(u, 0.0 if total is None else total, count, medium)
        np.testing.assert_array_equal(stepped(u, count, medium, total), expected[0])
        if total is not None:
            np.testing.assert_array_equal(total, expected[1])


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", MEDIA)
def test_series_are_their_twin_to_the_last_bit_and_go_on_where_they_stopped(kind):
    factors = np.random.default_rng(4).normal(size=(4, 5))
    for shape, wraps in itertools.product(SHAPES, WRAPS):
        medium = twins.medium(shape, kind, wraps)
        start = [field(shape, seed=seed) for seed in (1, 2, 3, 4)]
        expected = twins.expand(*start, factors, medium)
        for slices in ([5], [2, 5], [0, 1, 4, 5]):
            terms = [u.copy() for u in start]
            given = terms if "open" in kind else [*terms[:3], None]
            for part in np.split(factors, slices, axis=1):
                sweeps.expand(*given, *part, *medium)
            for term, twin in zip(terms, expected, strict=True):
                if any(term is one for one in given):
                    np.testing.assert_array_equal(term, twin)


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ["fields", "flow fields open"])
def test_rates_and_closings_are_their_twins_to_the_last_bit(kind):
    for shape, wraps in itertools.product(SHAPES, WRAPS):
        medium = twins.medium(shape, kind, wraps)
        u, change, first, second = (field(shape, seed=seed) for seed in (1, 2, 3, 4))
        out, expected = np.full_like(u, np.nan), twins.correct(u, change, first, second, medium)
        sweeps.rate(out, u, *medium)
        np.testing.assert_array_equal(out, twins.rate(u, medium))
        sweeps.correct(u, change, first, second, *medium)
        np.testing.assert_array_equal(u, expected)


@pytest.mark.parametrize("kind", ["numbers", "flow numbers", "flow fields open"])
def test_steps_in_single_precision_are_their_twin_to_the_last_bit(kind):
    u, total = field((7, 13), np.float32), np.zeros((7, 13), np.float32)
    medium = twins.medium((7, 13), kind, (False, True), np.float32)
    expected = twins.step(u, total, 5, medium)
    result = stepped(u, 5, medium, total)
    assert result.dtype == expected[0].dtype == np.float32
    np.testing.assert_array_equal((result, total), expected)


def test_series_in_single_precision_are_their_twin_to_the_last_bit():
    medium = twins.medium((7, 13), "numbers", (False, True), np.float32)
    start = [field((7, 13), np.float32, seed) for seed in (1, 2, 3, 4)]
    factors = np.random.default_rng(4).normal(size=(4, 5))
    expected = twins.expand(*start, factors.astype(np.float32), medium)
    sweeps.expand(*start, *factors, *medium)
    np.testing.assert_array_equal(start, expected)


@pytest.mark.interpreted
def test_real_and_imaginary_part_of_a_complex_field_step_by_themselves():
    medium, u = twins.medium((8, 8), "flow fields", (True, False)), field((8, 8), np.complex128)
    result = stepped(u, 4, medium)
    np.testing.assert_array_equal(result.real, stepped(u.real, 4, medium))
    np.testing.assert_array_equal(result.imag, stepped(u.imag, 4, medium))


@pytest.mark.interpreted
def test_a_series_of_real_terms_takes_complex_weights():
    growth, memory, weights = [1.0, 2.0, 2.0], [0.0, 1.0, 1.0], [0.5, 0.2j, 0.1 - 0.3j]
    factors = [np.array(v) for v in (growth, memory, weights, growth)]
    start = [field((8, 8)), field((8, 8), seed=2), field((8, 8), np.complex128)]
    medium = twins.medium((8, 8), "numbers", (True, True))
    expected = twins.expand(*start, 0.0, factors, medium)
    sweeps.expand(*start, None, *factors, *medium)
    np.testing.assert_allclose(start[2], expected[2], rtol=1e-13)


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ["fields", "flow fields", "flow fields open"])
@pytest.mark.parametrize("wraps", WRAPS)
def test_steps_are_powers_of_the_matrix_of_their_fluxes(kind, wraps):
    for shape in SHAPES:
        medium, u = twins.medium(shape, kind, wraps), field(shape)
        a, expected = np.eye(u.size) + twins.dense(shape, medium), u.ravel()
        for _ in range(6):
            expected = a @ expected + (0.0 if medium.source is None else medium.source.ravel())
        total = np.zeros(shape) if "open" in kind else None
        result = stepped(u, 6, medium, total)
        np.testing.assert_allclose(result, expected.reshape(shape), rtol=1e-13)


@pytest.mark.interpreted
@pytest.mark.parametrize("flow", [False, True])
def test_numbers_vectors_and_fields_of_the_same_values_give_the_same_bits(flow):
    shape, results = (7, 13), []
    numbers = twins.medium(shape, "flow numbers" if flow else "numbers", (False, True))
    for kind in STILL:
        medium = twins.medium(shape, f"flow {kind}" if flow else kind)
        alike = [
            v if number is None or np.ndim(v) == 0 else np.full_like(v, number)
            for v, number in zip(medium[:4], numbers[:4], strict=True)
        ]
        results.append(stepped(field(shape), 9, (*alike, *numbers[4:])))
    np.testing.assert_array_equal(results[1:], [results[0]] * 2)


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ["fields", "flow fields open"])
@pytest.mark.parametrize("wraps", WRAPS)
def test_flips_and_transposition_are_exact_symmetries(kind, wraps):
    shape = (7, 13)
    u, m = field(shape), twins.medium(shape, kind, wraps)
    total = np.zeros(shape) if "open" in kind else None
    result = stepped(u, 9, m, total)

    def seen(view, up0, down0, up1, down1, inverse0, inverse1, wraps):
        cells = [v if v is None else view(v) for v in (m.loss, m.source)]
        faces = [v if v is None else view(v) for v in (up0, down0, up1, down1)]
        given = contiguous((*faces, inverse0, inverse1, *cells, *wraps))
        return view(stepped(view(u), 9, given, None if total is None else np.zeros(view(u).shape)))

    def reverse(inverse):
        return inverse if inverse is None else inverse[::-1]

    ways0, ways1 = (m.up0, m.down0), (m.up1, m.down1)
    back0, back1 = (v if v[1] is None else v[::-1] for v in (ways0, ways1))
    inverses = m.inverse0, m.inverse1
    upside = seen(np.flipud, *back0, *ways1, reverse(m.inverse0), m.inverse1, wraps)
    turned = seen(np.fliplr, *ways0, *back1, m.inverse0, reverse(m.inverse1), wraps)
    across = seen(np.transpose, *ways1, *ways0, *inverses[::-1], wraps[::-1])
    for other in (upside, turned, across):
        np.testing.assert_array_equal(other, result)


@pytest.mark.parametrize("kind", ["fields", "flow fields"])
@pytest.mark.parametrize("wraps", WRAPS)
def test_salt_is_kept_to_1e_14_over_ten_thousand_steps(kind, wraps):
    u = field((31, 17))
    result = stepped(u, 10_000, twins.medium((31, 17), kind, wraps))
    assert math.fsum(result.flat) == pytest.approx(math.fsum(u.flat), rel=1e-14)


@pytest.mark.interpreted
@pytest.mark.parametrize("wraps", WRAPS)
def test_closing_a_step_keeps_the_salt_of_its_explicit_part(wraps):
    u, change, first, second = (field((7, 13), seed=seed) for seed in (1, 2, 3, 4))
    expected = math.fsum([*u.flat, *change.flat])
    sweeps.correct(u, change, first, second, *twins.medium((7, 13), "fields", wraps))
    assert math.fsum(u.flat) == pytest.approx(expected, rel=1e-14)


@pytest.mark.interpreted
def test_what_leaves_through_an_open_rim_is_what_its_outer_faces_take():
    medium, u = twins.medium((7, 13), "flow fields"), field((7, 13))
    medium.down0[0] = 0.1
    medium.up1[:, -1] = 0.2
    out = np.empty_like(u)
    sweeps.rate(out, u, *medium)
    left = 0.1 * math.fsum(u[0]) + 0.2 * math.fsum(u[:, -1])
    assert math.fsum(out.flat) == pytest.approx(-left, rel=1e-13)


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ["vectors", "fields"])
def test_what_rests_rests_to_the_last_bit(kind):
    medium, rest = twins.medium((7, 13), kind, (False, True)), np.full((7, 13), 0.1)
    older, newer, result = rest.copy(), rest.copy(), rest.copy()
    factors = np.random.default_rng(4).normal(size=(4, 5))
    sweeps.expand(older, newer, result, None, *factors, *medium)
    for u in (older, newer, result, stepped(rest, 5, medium)):
        np.testing.assert_array_equal(u, rest)


@pytest.mark.interpreted
def test_a_series_without_memory_takes_the_steps_of_euler_to_the_last_bit():
    medium, u = twins.medium((7, 13), "fields open"), field((7, 13))
    totals, ones = np.zeros((2, 7, 13)), np.ones(5)
    older, newer, result = u.copy(), u.copy(), u.copy()
    sweeps.expand(older, newer, result, totals[0], ones, 0 * ones, ones, ones, *medium)
    np.testing.assert_array_equal(stepped(u, 5, medium, totals[1]), newer)
    np.testing.assert_array_equal(result, newer)
    np.testing.assert_array_equal(*totals)


@pytest.mark.interpreted
@pytest.mark.parametrize("k", [1, 2, 7, 8])
@pytest.mark.parametrize("family", ["Chebyshev", "Legendre"])
def test_a_series_gives_the_polynomials_of_an_eigenmode(family, k):
    n, degree = 8, np.arange(1, k + 1)
    x = np.cos(np.pi * 3 / n)
    mode = np.cos(np.pi * 3 / n * (np.arange(n) + 0.5))[None, :]  # A mode = (x - 1) mode
    if family == "Chebyshev":
        growth, memory, value = np.where(degree == 1, 1.0, 2.0), 1.0 * (degree > 1), np.cos(
            k * np.arccos(x))  # fmt: skip
    else:
        growth, memory, value = (2 * degree - 1) / degree, (degree - 1) / degree, (
            special.eval_legendre(k, x))  # fmt: skip
    older, newer, result = mode.copy(), mode.copy(), mode.copy()
    medium = (0.0, None, 0.5, None, None, None, None, None, False, False)
    sweeps.expand(older, newer, result, None, growth, memory, np.ones(k), growth, *medium)
    np.testing.assert_allclose(newer, value * mode, rtol=1e-12)
    np.testing.assert_allclose(result, value * mode, rtol=1e-12)


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
    single = np.empty((2, 39), np.float32)
    for odd in (0, 1):
        random.normals(single, first + odd, *KEY, 7, 3)
        expected = [twins.single_pair(first + odd + k, KEY, 7, 3) for k in range(39)]
        np.testing.assert_allclose(single.T, expected, rtol=0, atol=2e-6)


def test_single_deviates_are_right_for_the_rarest_words_too():
    """The largest radius is 6.76, the smallest zero; at every corner of the circle."""
    corners = [0, 1, 2**29, 2**30 - 1, 2**30, 2**31, 2**32 - 1]
    for a, b in itertools.product([0, 1, 2**31, 2**32 - 1], corners):
        u = np.float32(a) * np.float32(2.0**-32) + np.float32(2.0**-33)
        radius = math.sqrt(max(0.0, -2.0 * random.single_logarithm(u)))
        assert radius == pytest.approx(math.sqrt(-2.0 * math.log((a + 0.5) / 2.0**32)), abs=4e-4)
        angle = math.pi / 2 * (b / 2.0**30 - 0.5)
        found = random.single_circle(np.uint32(b))
        assert found == pytest.approx((math.cos(angle), math.sin(angle)), abs=3e-7)


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


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [10**6, pytest.param(10**7, marks=pytest.mark.proof)])
def test_normal_deviates_are_normal_and_independent(n, dtype):
    """Chi-square, Kolmogorov and moments of n deviates; ten tests, alpha 1e-6 each."""
    pair = np.empty((2, n // 2), dtype)
    random.normals(pair, 0, *KEY)
    pair = pair.astype(float)
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
