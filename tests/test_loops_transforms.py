"""The compiled transforms against matrices of their bases, written down from the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from diffusim.block import Array
from diffusim.loops.transforms import COSINE, COSINE4, REST, RING, SINE, SINE4, Pair, supported

KINDS = (COSINE, SINE, COSINE4, SINE4, RING)
LENGTHS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 48)


def projectors(kind: int, n: int) -> tuple[Array, list[Array]]:
    """Angles of the modes, and for each the matrix that keeps nothing but modes of that angle."""
    j, k = np.arange(n) + 0.5, np.arange(n)
    if kind == REST:
        return np.zeros(1), [np.eye(n)]
    if kind == RING:
        waves = np.exp(2j * np.pi * np.outer(k, np.arange(n)) / n) / np.sqrt(n)
        angles = 2.0 * np.pi * np.minimum(k, n - k) / n
    else:
        first = {COSINE: 0.0, SINE: 1.0}.get(kind, 0.5)
        angles = np.pi * (k + first) / n
        waves = (np.cos if kind in (COSINE, COSINE4) else np.sin)(np.outer(angles, j))
        waves = waves / np.linalg.norm(waves, axis=1, keepdims=True)
    return angles, [np.outer(wave, wave.conj()) for wave in waves]


def dense(kind: int, n: int, factor: object) -> Array:
    angles, parts = projectors(kind, n)
    return np.real(sum(f * p for f, p in zip(factor(angles), parts, strict=True)))  # type: ignore[operator]


def damped(angles: Array) -> Array:
    return np.exp(-0.7 * angles**2) + 0.1 * angles


def carried(u: Array, kinds: tuple[int, int], dtype: type = float) -> Array:
    pair = Pair(u.shape, kinds)
    out = np.empty(u.shape, dtype)
    pair.carry(u.astype(dtype), out, *(damped(pair.angles(axis)).astype(dtype) for axis in (0, 1)))
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", LENGTHS)
def test_a_multiplier_acts_on_the_modes_of_their_definition(kind: int, n: int) -> None:
    assert supported(kind, n)
    wanted = dense(kind, n, damped)
    u = np.random.default_rng(n).normal(size=(n, 7))
    assert np.max(np.abs(carried(u, (kind, REST)) - wanted @ u)) < 1e-14 * np.max(np.abs(u)) * n
    turned = carried(np.ascontiguousarray(u.T), (REST, kind)).T
    assert np.max(np.abs(turned - wanted @ u)) < 1e-14 * np.max(np.abs(u)) * n


@pytest.mark.interpreted
@pytest.mark.parametrize("kinds", [(COSINE, SINE), (RING, COSINE4), (SINE4, RING)])
def test_both_axes_may_differ_compiled_or_not(kinds: tuple[int, int]) -> None:
    u = np.random.default_rng(3).normal(size=(12, 16))
    wanted = dense(kinds[0], 12, damped) @ u @ dense(kinds[1], 16, damped).T
    assert np.max(np.abs(carried(u, kinds) - wanted)) < 1e-13
    assert np.max(np.abs(carried(u, kinds, np.float32) - wanted)) < 3e-6


@pytest.mark.parametrize("kinds", [(a, b) for a in KINDS for b in KINDS])
def test_back_undoes_forth_and_lengths_are_kept(kinds: tuple[int, int]) -> None:
    u = np.random.default_rng(4).normal(size=(24, 15))
    kept, pair = u.copy(), Pair(u.shape, kinds)
    c = pair.forward(u)
    assert np.linalg.norm(c) == pytest.approx(np.linalg.norm(u), rel=1e-14, abs=0)
    assert np.max(np.abs(pair.backward(c) - u)) < 2e-14
    assert np.array_equal(u, kept)
    factor = np.outer(damped(pair.angles(0)), damped(pair.angles(1)))
    whole = np.empty_like(u)
    pair.carry_full(u, whole, factor)
    assert np.max(np.abs(whole - carried(u, kinds))) < 1e-13
    assert np.max(np.abs(pair.backward(c * factor) - whole)) < 1e-14


@pytest.mark.parametrize("shape", [(1, 64), (64, 1), (5, 256), (250, 8), (1, 2048), (1500, 50)])
def test_thin_fields_and_odd_numbers_of_lines_are_as_good(shape: tuple[int, int]) -> None:
    u = np.random.default_rng(5).normal(size=shape)
    factors = [damped(np.pi * np.arange(n) / n) for n in shape]
    c = fft.dctn(u, norm="ortho") * factors[0][:, None] * factors[1]
    wanted = fft.idctn(c, norm="ortho")
    assert np.max(np.abs(carried(u, (COSINE, COSINE)) - wanted)) < 1e-14


def test_long_lines_lose_no_more_digits_than_scipys() -> None:
    u = np.random.default_rng(6).normal(size=(4, 2048))
    pair = Pair(u.shape, (REST, COSINE))
    ours = np.linalg.norm(pair.backward(pair.forward(u)) - u)
    theirs = np.linalg.norm(fft.idct(fft.dct(u, norm="ortho"), norm="ortho") - u)
    assert ours < 3.0 * theirs


def test_lengths_with_large_factors_are_left_to_others() -> None:
    assert not supported(COSINE, 17)
    assert not supported(COSINE, 2 * 7)
    with pytest.raises(ValueError, match="no transform"):
        Pair((4, 17), (COSINE, COSINE))
