"""Autoregressions along a series: what they are as convolutions, what they undo and refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal
from series_samples import MIRRORS, NOTHING_BEFORE, RING, applied, grid, noise

import diffusim as ds
from diffusim import series
from diffusim.block import Array, Invalid, Unsupported
from diffusim.propagators.autoregression import Autoregression

MODELS: dict[str, dict[str, Any]] = {
    "two roots": {"coefficients": [1.2, -0.5]},
    "with shocks": {"coefficients": [0.5, 0.2, -0.1], "shocks": [0.4, 0.3]},
    "shocks alone": {"coefficients": [], "shocks": [0.6, -0.2]},
    "nearly a walk": {"coefficients": [0.999]},
    "a sum": {"coefficients": [0.7], "shocks": [0.4], "differences": 1},
}


def polynomials(model: Mapping[str, Any]) -> tuple[Array, Array]:
    """Coefficients of both sides, from that of the present on."""
    a = np.append(1.0, -np.array(model["coefficients"], dtype=float))
    for _ in range(model.get("differences", 0)):
        a = np.convolve(a, [1.0, -1.0])
    return a, np.append(1.0, model.get("shocks", []))


@pytest.mark.parametrize("method", ["stencil", "fourier"])
@pytest.mark.parametrize("model", MODELS)
def test_an_autoregression_is_lfilter(model: str, method: str) -> None:
    a, b = polynomials(MODELS[model])
    u = noise(1000)
    found = applied(u, Autoregression(**MODELS[model]), NOTHING_BEFORE, [0, 1], method)[1]
    wanted = signal.lfilter(b, a, u)
    assert np.max(np.abs(found - wanted)) <= 1e-13 * np.max(np.abs(wanted))


@pytest.mark.parametrize("method", ["stencil", "fourier", "modes"])
@pytest.mark.parametrize("model", [m for m in MODELS if m != "a sum"])
def test_round_a_ring_it_is_the_series_that_keeps_to_the_recursion(model: str, method: str) -> None:
    a, b = polynomials(MODELS[model])
    u = noise(60)
    y = applied(u, Autoregression(**MODELS[model]), RING, [0, 1], method)[1]
    left = sum(c * np.roll(y, lag) for lag, c in enumerate(a))
    right = sum(c * np.roll(u, lag) for lag, c in enumerate(b))
    assert np.allclose(left, right, rtol=0.0, atol=1e-13 * np.max(np.abs(y)))


@pytest.mark.parametrize("edges", [NOTHING_BEFORE, RING], ids=["open", "ring"])
@pytest.mark.parametrize("model", MODELS)
def test_out_and_back_is_the_start(model: str, edges: Any) -> None:
    if edges == RING and "differences" in MODELS[model]:
        return
    u, twice = noise(365), Autoregression(**MODELS[model], back=2)
    for method in ("stencil", "fourier"):
        frames = applied(u, twice, edges, [0, 1, 2, 3, 4], method)
        size = np.max(np.abs(frames[2]))
        assert np.max(np.abs(frames[4] - u)) <= 1e-12 * max(1.0, size)
        assert np.max(np.abs(frames[3] - frames[1])) <= 1e-12 * max(1.0, size)
        assert np.max(np.abs(frames[1] - u)) > 0.1


def test_white_noise_goes_out_coloured_and_comes_back_white() -> None:
    u = noise(730, seed=4)
    frames = applied(u, Autoregression(coefficients=[1.2, -0.5], back=1), NOTHING_BEFORE,
                     [0, 1, 2], "fourier")  # fmt: skip
    first, coloured, last = (series.ljung_box(frame, 20).p for frame in frames)
    assert first > 0.01 and coloured < 1e-12  # noqa: PT018
    assert np.max(np.abs(frames[2] - u)) < 1e-12
    assert abs(last - first) < 1e-9 * first
    assert series.flatness(frames[2]).p > 0.01 > series.flatness(frames[1]).p


def test_what_lies_behind_the_last_moment_is_never_asked() -> None:
    u, echo = noise(50), Autoregression(coefficients=[0.8])
    ways: list[Any] = [
        NOTHING_BEFORE,
        {"t": {"value": 0}},
        {**NOTHING_BEFORE, "last": {"value": 0}},
    ]
    found = [applied(u, echo, way, [1], "stencil")[0] for way in ways]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_its_kernel_is_causal_and_holds_all_that_a_shock_leaves() -> None:
    g = grid(40, NOTHING_BEFORE)
    view = Autoregression(coefficients=[0.5], back=1).convolution(g, 0.5)
    assert not view.collects
    assert view.sides == (("zero", "zero"),)
    assert view.kernel.tolist() == [0.0] * 39 + [0.5**d for d in range(40)]
    back = Autoregression(coefficients=[0.5], back=1).convolution(g, 1.5)
    assert back.kernel.tolist() == [0.0, 1.0, -0.5]


def test_waves_are_multiplied_by_the_ratio_of_both_polynomials() -> None:
    model = Autoregression(**MODELS["with shocks"], back=3)
    g, f = grid(4096, NOTHING_BEFORE), np.array([0.0, 0.01, 0.2, 0.5])
    for time in (0.0, 3.0):
        kernel = model.kernel_on(g, time)
        lags = np.arange(kernel.size) - kernel.size // 2
        wanted = [np.sum(kernel * np.exp(-2j * np.pi * one * lags)) for one in f]
        assert np.allclose(model.transfer(g, f, time), wanted, rtol=1e-13, atol=0.0)


def test_a_process_or_a_fit_is_an_autoregression() -> None:
    process = series.Process((1.2, -0.5), (0.4,), 1, variance=4.0)
    assert Autoregression.of(process, back=2) == Autoregression(
        coefficients=[1.2, -0.5], shocks=[0.4], differences=1, back=2
    )
    u = noise(200)
    found = applied(2.0 * u, Autoregression.of(process), NOTHING_BEFORE, [1], "fourier")[0]
    assert np.allclose(found, signal.lfilter([2.0, 0.8], [1.0, -2.2, 1.7, -0.5], u),
                       rtol=0.0, atol=1e-12 * np.max(np.abs(found)))  # fmt: skip
    fit = series.burg(signal.lfilter([1.0], [1.0, -0.7], u), 1)
    assert Autoregression.of(fit).coefficients == fit.process.ar
    with pytest.raises(ValidationError, match="not stable"):
        Autoregression.of(series.Process((1.1,)))


def test_a_random_walk_is_an_autoregression_at_its_limit() -> None:
    n, u = 64, noise(64, seed=2)
    g, walk = grid(n, NOTHING_BEFORE), Autoregression(coefficients=[], differences=1)
    found = applied(u, walk, NOTHING_BEFORE, [1], "fourier")[0]
    assert np.allclose(found, np.cumsum(u), rtol=0.0, atol=1e-13 * n)
    kernel = walk.kernel_on(g)
    for apart in (1e-3, 1e-6):
        nearly = Autoregression(coefficients=[1.0 - apart]).kernel_on(g)
        assert 0.5 * n * apart < np.max(np.abs(nearly - kernel)) < n * apart


def test_unstable_coefficients_are_refused_with_their_roots() -> None:
    with pytest.raises(ValidationError, match=r"not stable: its roots are 1\.527, -0\.3274"):
        Autoregression(coefficients=[1.2, 0.5])
    with pytest.raises(ValidationError, match="roots at 1 are what differences are for"):
        Autoregression(coefficients=[1.0])


def test_more_lags_than_are_taken_are_refused_with_their_number() -> None:
    assert len(Autoregression(coefficients=[0.01] * 64).coefficients) == 64
    for key in ("coefficients", "shocks"):
        with pytest.raises(ValidationError, match=rf"{key}\n.*at most 64 numbers, found 65"):
            Autoregression(**{"coefficients": [], key: [0.0] * 65})


def test_shocks_that_cannot_be_found_again_are_refused_on_the_way_back_only() -> None:
    Autoregression(coefficients=[0.5], shocks=[1.4])
    with pytest.raises(ValidationError, match=r"no way back.*its roots are -1\.4"):
        Autoregression(coefficients=[0.5], shocks=[1.4], back=1)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (MIRRORS, "has to know what came before the first moment"),
        ({"t": {"value": 3.0}}, "before the first moment there is nothing"),
        ({"first": {"flux": 1.0}}, "which says nothing about a"),
    ],
)
def test_a_past_that_is_none_is_refused_in_words(edges: Any, words: str) -> None:
    problems = [
        str(problem) for problem in Autoregression(coefficients=[0.5]).check(grid(9, edges))
    ]
    assert len(problems) == 1
    assert words in problems[0]


def test_a_sum_that_goes_round_and_a_second_axis_are_refused_in_words() -> None:
    with pytest.raises(Invalid, match="no beginning and no end"):
        applied(noise(9), Autoregression(coefficients=[], differences=1), RING, [1], "fourier")
    with pytest.raises(Invalid, match="runs along one axis"):
        ds.solve(np.ones((3, 3)), Autoregression(coefficients=[]), times=[1], method="fourier",
                 grid=ds.Grid(shape=(3, 3), size=(1.0, 1.0), edges=RING))  # fmt: skip
    with pytest.raises(Unsupported, match="something can leave the grid"):
        applied(noise(9), Autoregression(coefficients=[0.5]), NOTHING_BEFORE, [1], "modes")


def test_notes_say_how_long_a_shock_lasts() -> None:
    first, then = Autoregression(coefficients=[0.5], back=1).notes(grid(99, NOTHING_BEFORE))
    assert first == ("roots 0.5: a shock falls to 1/e in 1.44 steps, and white noise comes out "
                     "with 1.33 times its variance")  # fmt: skip
    assert then == "beyond 1 application the filter back is applied"


def test_weights_too_small_for_all_digits_are_left_out() -> None:
    """2^-1022 is the least number that has them."""
    kernel = Autoregression(coefficients=[0.5]).kernel_on(grid(1200, NOTHING_BEFORE))
    assert kernel.size == 2 * 1022 + 1
    assert kernel[-1] == 2.0**-1022
    gaps = Autoregression(coefficients=[0.0, 2.0**-600]).kernel_on(grid(9, NOTHING_BEFORE))
    assert gaps.tolist() == [0.0, 0.0, 1.0, 0.0, 2.0**-600]
