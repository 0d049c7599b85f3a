"""Verdicts of chance where asymptotics end: few counts, laws that err, draws as references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Array
from diffusim.comparison import Row, compare
from diffusim.counts import chi_square_pair, p_of_noise
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, UNEXPLAINED

GRID = ds.Grid(shape=(256,), size=(0.256,))
WATER = ds.Diffusion(diffusivity=1e-6)
TIMES = [0.0, 1.0, 4.0, 20.0]


def start() -> Array:
    u = np.zeros(256)
    u[100] = 1.0
    return u


def solved(method: Any, **facts: Any) -> ds.Run:
    run = ds.solve(start(), WATER, grid=GRID, times=TIMES, method=method, seed=6)
    return ds.Run(run.label, run.times, run.frames, {**run.facts, **facts}, run.counts)


def judged(reference: ds.Run, run: ds.Run) -> Row:
    return compare([reference, run], TIMES, reference=reference.label)[run.label]


def test_the_p_value_of_a_few_rare_counts_is_that_of_their_own_tail() -> None:
    """Of 5 expected beside a million, 16 are found once in 7000: chi-square alone says 1e-6."""
    p, _ = chi_square_pair(np.array([16, 999_989]), np.array([5.0, 1e6]))
    assert 6.9e-5 < p < 1e-3
    p, _ = chi_square_pair(np.array([40, 999_965]), np.array([5.0, 1e6]))
    assert p < 1e-15


def test_small_pools_are_rejected_no_oftener_than_said() -> None:
    """Two million draws with 5 expected in one cell of two; at 1e-4 at most 2e-4 and five more."""
    random = np.random.default_rng(8)
    found = random.poisson(5.0, 2_000_000)
    values, many = np.unique(found, return_counts=True)
    law = np.array([5.0, 1e6])
    p = np.array([chi_square_pair(np.array([k, 1_000_005 - k]), law)[0] for k in values])
    for alpha in (1e-4, 1e-5):
        rejected = int(np.sum(many[p < alpha]))
        assert rejected <= 2e6 * alpha + 5.0 * np.sqrt(2e6 * alpha)


@pytest.mark.parametrize("word", ["modes", "chebyshev", "poisson"])
def test_a_million_billion_particles_are_judged_by_any_exact_method(word: str) -> None:
    """Its tolerance and round-off are told, and no cell below them is held to more."""
    bound = {"predicted": [0.0, 2e-12, 3e-12, 5e-12], "prediction": "bound"}
    row = judged(solved(word, **bound), solved({"kind": "collapse", "particles": 10**15}))
    assert row.verdict == AS_PREDICTED, row.reason


def test_a_leak_is_seen_beside_a_law_that_errs_in_its_last_digits() -> None:
    law = np.concatenate([np.full(50, 1e13), np.zeros(50)])
    counts = law.astype(np.int64)
    assert chi_square_pair(counts, law, error=1e-12)[0] > 1e-6
    counts[70] = 10**6
    assert chi_square_pair(counts, law, error=1e-12)[0] < 1e-15


def test_a_reference_that_errs_more_than_chance_judges_no_chance() -> None:
    """Explicit steps as reference of a million million particles."""
    predicted = {"predicted": [0.0, 1e-2, 5e-3, 2e-3], "prediction": "estimate"}
    row = judged(solved("ftcs", **predicted), solved({"kind": "collapse", "particles": 10**12}))
    assert row.verdict == NOT_JUDGED
    assert "ftcs errs" in row.reason


def test_chance_is_not_judged_by_chance() -> None:
    few = solved({"kind": "walkers", "particles": 10**4, "limit": "lattice"})
    row = judged(few, solved({"kind": "collapse", "particles": 10**6}))
    assert row.verdict == NOT_JUDGED
    assert "drawn by chance itself" in row.reason


def test_a_noise_that_is_a_tenth_too_large_is_unexplained_on_many_cells_only() -> None:
    assert p_of_noise(1.1, 60_000.0) < 1e-6
    assert p_of_noise(1.1, 600.0) > 1e-3
    assert p_of_noise(0.9, 60_000.0) < 1e-6


def measured(ratio: float, cells: int) -> Row:
    """A run whose error is so many times what it says that chance brings."""
    random = np.random.default_rng(1)
    law = np.full((2, cells), 5.0)
    apart = random.standard_normal(cells)
    apart *= np.sqrt(cells / np.sum(apart**2)) * 0.1 * ratio
    facts = {"limit": "lattice", "statistical": True}
    deviation = np.stack([np.zeros(cells), np.full(cells, 0.1)])
    run = ds.Run("measurement", np.arange(2.0), np.stack([law[0], law[1] + apart]), facts,
                 arrays={"deviation": deviation})  # fmt: skip
    reference = ds.Run("stencil", np.arange(2.0), law, {"limit": "lattice"})
    return compare([reference, run], [0.0, 1.0], reference="stencil")["measurement"]


def test_a_measurement_is_judged_by_the_noise_it_expects() -> None:
    assert measured(1.0, 10_000).verdict == AS_PREDICTED
    assert measured(1.2, 10_000).verdict == UNEXPLAINED
    assert measured(0.8, 10_000).verdict == UNEXPLAINED
    assert measured(1.4, 60).verdict == AS_PREDICTED
    assert measured(3.0, 8).verdict == NOT_JUDGED
