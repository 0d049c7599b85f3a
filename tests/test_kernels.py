"""Kernels: densities of diffusion, named ones, how they are made densities and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy import linalg

from diffusim import kernels
from diffusim.block import Array, Invalid
from diffusim.kernels.character import Character
from diffusim.kernels.keys import Kernel


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    kernel: Kernel


def read(value: Any, ndim: int = 2, folder: Path | None = None) -> Array:
    found = Holder.model_validate({"kernel": value}, context={"folder": folder or Path()})
    return found.kernel.array(ndim)  # type: ignore[no-any-return]


def refusal(value: Any, folder: Path | None = None) -> str:
    with pytest.raises(ValidationError) as caught:
        read(value, 2, folder)
    return str(caught.value)


# --- densities of diffusion -----------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.5, 1.0, 4.0, 30.0, 100.0])
def test_the_lattice_density_has_variance_2dt_at_any_spread(spread: float) -> None:
    part, left_out = kernels.truncated(kernels.lattice(spread**2), 1e-15)
    j = np.arange(part.size) - part.size // 2
    assert left_out <= 1e-15
    assert np.sum(part) == pytest.approx(1.0, rel=1e-15, abs=0)
    assert np.sum(j**2 * part) == pytest.approx(spread**2, rel=1e-12, abs=0)


@pytest.mark.parametrize("variance", [0.01, 0.7, 3.0])
def test_the_lattice_density_is_the_exponential_of_the_second_difference(variance: float) -> None:
    n = 121
    matrix = np.eye(n, k=1) + np.eye(n, k=-1) - 2.0 * np.eye(n)
    wanted = linalg.expm(0.5 * variance * matrix)[n // 2]
    density = kernels.lattice(variance)
    reach = density.size // 2
    assert np.max(np.abs(wanted[n // 2 - reach : n // 2 + reach + 1] - density)) < 1e-15


def test_lattice_densities_are_a_semigroup_and_sampled_ones_are_none() -> None:
    apart = {}
    for made in (kernels.lattice, kernels.sampled):
        twice, once = np.convolve(made(0.15), made(0.15)), made(0.3)
        reach = min(twice.size, once.size) // 2
        middle = [p[p.size // 2 - reach : p.size // 2 + reach + 1] for p in (twice, once)]
        apart[made.__name__] = np.max(np.abs(middle[0] - middle[1]))
    assert apart["lattice"] < 1e-15
    assert apart["sampled"] > 1e-2


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-12])
def test_what_is_left_out_of_a_density_is_within_the_tolerance_and_told(tolerance: float) -> None:
    whole = kernels.lattice(9.0)
    part, left_out = kernels.truncated(whole, tolerance)
    beyond = (whole.size - part.size) // 2
    assert np.sum(whole[:beyond]) * 2.0 == pytest.approx(left_out, rel=1e-10, abs=1e-30)
    assert 0.0 < left_out <= tolerance
    # One move narrower would leave out too much of the mass or of the variance.
    j = np.abs(np.arange(whole.size) - whole.size // 2)
    narrower = j > part.size // 2 - 1
    mass = np.sum(whole[narrower])
    variance = np.sum((j**2 * whole)[narrower]) / np.sum(j**2 * whole)
    assert max(mass, variance) > tolerance


# --- any kernel as a density ----------------------------------------------------------------------


@given(
    hnp.arrays(float, (3, 5), elements=st.floats(-1e300, 1e300)),
    st.floats(1e-3, 1e6),
)
@settings(max_examples=60, deadline=None)
def test_softmax_makes_a_density_of_anything(kernel: Array, temperature: float) -> None:
    p = kernels.normalise(kernel, "softmax", temperature)
    assert np.min(p) >= 0.0
    assert np.sum(p) == pytest.approx(1.0, rel=1e-14, abs=0)
    assert p[np.unravel_index(np.argmax(kernel), kernel.shape)] == np.max(p)


def test_temperature_goes_from_the_largest_weight_to_all_alike() -> None:
    k = np.array([[0.0, 1.0, 2.0]])
    assert np.array_equal(kernels.normalise(k, "softmax", 1e-3), [[0.0, 0.0, 1.0]])
    assert np.max(np.abs(kernels.normalise(k, "softmax", 1e9) - 1 / 3)) < 1e-9
    known = np.exp(k) / np.sum(np.exp(k))
    assert np.max(np.abs(kernels.normalise(k, "softmax") - known)) < 3e-16


def test_a_sum_of_nothing_is_refused_and_the_refusal_names_what_works() -> None:
    for scale in (1e-9, 1.0, 1e12):
        k = scale * np.array([[-1.0, 1.0, 1e-14]])
        with pytest.raises(Invalid, match="softmax makes a density of any kernel, none"):
            kernels.normalise(k, "sum")
    assert np.sum(kernels.normalise(np.array([[-1.0, 1.1, 0.0]]), "sum")) == pytest.approx(1.0)
    assert np.array_equal(kernels.normalise(np.array([[-1.0, 1.0, 0.0]]), "none"), [[-1, 1, 0]])


# --- as users write them --------------------------------------------------------------------------


def test_a_matrix_is_read_as_it_is_seen_on_the_page() -> None:
    k = read([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert k[2, 2] == 3  # right and up
    assert k[0, 0] == 7  # left and down
    assert np.array_equal(read(np.arange(9.0).reshape(3, 3)), np.arange(9.0).reshape(3, 3))


def test_files_mean_what_lists_mean(tmp_path: Path) -> None:
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    (tmp_path / "k.csv").write_text("# a comment\n1,2,3\n4,5,6\n7,8,9\n")
    (tmp_path / "k.txt").write_text("1 2 3\n4 5 6\n7 8 9\n")
    np.save(tmp_path / "k.npy", read(rows))
    for name in ("k.csv", "k.txt", "k.npy"):
        found = read({"kind": "array", "path": name}, 2, tmp_path)
        assert np.array_equal(found, read(rows)), name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("edge-detector", [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
        ("sobel-x", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        ("emboss", [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    ],
)
def test_named_kernels_are_those_of_the_literature(name: str, wanted: list[list[int]]) -> None:
    assert np.array_equal(read(name), np.array(wanted)[::-1].T)


def test_kernels_with_options_do_what_these_say() -> None:
    assert np.max(np.abs(read({"kind": "box", "size": 5}) - 1 / 25)) < 1e-16
    blur = Character(read({"kind": "gaussian", "sigma": 1.5}))
    assert blur.covariance is not None
    assert np.max(np.abs(blur.covariance - np.eye(2) * 2.25)) < 1e-9
    shift = Character(read({"kind": "shift", "by": [2, -1]}))
    assert shift.drift is not None
    assert np.array_equal(shift.drift, [2.0, -1.0])
    motion = Character(read({"kind": "motion-blur", "length": 9, "angle": 30.0}))
    assert motion.angle == pytest.approx(30.0, abs=2.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2], [3, 4]], "odd sizes"),
        ([[1, 2, 3], [4, 5]], "equally long"),
        ([], "empty"),
        ([[1, "a", 3]], "number"),
        ([[1, float("nan"), 3]], "finite"),
        ("edge-detektor", "did you mean 'edge-detector'"),
        ({"kind": "gaussian", "sigma": -1.0}, "greater than"),
        ({"kind": "gaussian", "width": 5}, "width"),
        ({"kind": "array", "path": "missing.csv"}, "no file"),
        ({"sigma": 2}, "kind"),
        (3.0, "expected a kernel"),
    ],
)
def test_what_is_no_kernel_is_refused_in_words(value: Any, words: str, tmp_path: Path) -> None:
    assert words in refusal(value, tmp_path)


# --- what they do ---------------------------------------------------------------------------------


def test_moments_are_those_of_the_moves() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((5, 3))
    p /= p.sum()
    found = Character(p)
    moves = np.array([(i - 2, j - 1) for i in range(5) for j in range(3)], dtype=float)
    mean = p.ravel() @ moves
    covariance = np.cov(moves.T, aweights=p.ravel(), ddof=0)
    assert found.drift is not None
    assert found.covariance is not None
    assert found.diffusivity is not None
    assert np.max(np.abs(found.drift - mean)) < 1e-15
    assert np.max(np.abs(found.covariance - covariance)) < 1e-15
    assert np.max(np.abs(found.diffusivity - 0.5 * covariance)) < 1e-15
    assert found.entropy == pytest.approx(-np.sum(p * np.log2(p)), rel=1e-14)
    theta, values = found.waves
    for place in ((3, 50), (32, 32), (64, 0)):
        angle = np.array([theta[place[0]], theta[place[1]]])
        wanted = np.sum(p.ravel() * np.exp(-1j * (moves @ angle)))
        assert abs(values[place] - wanted) < 1e-14
    likeliest = found.moves(1)[0]
    assert likeliest.probability == np.max(p)


@pytest.mark.parametrize(
    ("value", "how", "said", "unsaid"),
    [
        ("edge-detector", "softmax", "concentrates in the centre: 99.9 % stay", "smooths"),
        ({"kind": "box", "size": 3}, "softmax", "spreads evenly over its 9 places", "drifts"),
        ({"kind": "gaussian", "sigma": 1.5}, "none", "a Gaussian of standard deviation 1.5 cells",
         "drifts"),
        ({"kind": "shift", "by": [1, 0]}, "none", "moves everything by (1, 0)", "smooths"),
        ([[0, 0, 1], [0, 1, 0], [0, 0, 0]], "sum", "drifts by (0.5, 0.5) cells", "concentrates"),
        ("sobel-x", "none", "differentiates along x", "detects edges"),
        ("edge-detector", "none", "detects edges: what is even gives zero", "differentiates"),
        ("sharpen", "none", "sharpens", "detects"),
        ("emboss", "none", "relief", "sharpens"),
        ("identity", "none", "leaves everything as it is", "smooths"),
        ({"kind": "motion-blur", "length": 9, "angle": 0.0}, "none", "blurs along one direction",
         "drifts"),
    ],
)  # fmt: skip
def test_a_kernel_is_read_in_words(value: Any, how: Any, said: str, unsaid: str) -> None:
    mask = read(value)
    words = " ".join(Character(kernels.normalise(mask, how)).reading(Character(mask)))
    assert said in words
    assert unsaid not in words


@pytest.mark.parametrize(
    ("value", "how", "said"),
    [
        ([[1, 4, 6, 4, 1]], "sum", "like a Gaussian of standard deviation 1 cell"),
        ("sharpen", "softmax", "not as a Gaussian"),  # nearly all of it stays, the rest is flat
        ("edge-detector", "softmax", "an edge detector, read as a density, hardly moves anything"),
        ([[0, 0, 0], [0, 999, 0], [0, 1, 0]], "sum", "concentrates in the centre: 99.9 % stay"),
        ([[1, 0, 1]], "sum", "keeps what alternates from cell to cell along x"),
        ({"kind": "motion-blur", "angle": 45.0}, "none", "keeps a chequerboard"),
        ({"kind": "motion-blur", "angle": 45.0}, "none", "one direction (45 degrees)"),
        ({"kind": "motion-blur", "angle": 90.0}, "none", "one direction (along y)"),
        ("edge-detector", "none", "-3 times the Laplacian"),
        ("edge-cross", "none", "minus the Laplacian"),
        ({"kind": "second-difference", "axis": "y"}, "none", "the second derivative along y"),
        ("sobel-y", "none", "differentiates along y (sum 0, odd)"),
        ([[0, 1, 0], [0, 0, -1], [0, 0, 0]], "none", "what is even gives zero (sum 0)"),
        ([[1, 2, 1]], "none", "blurs, and multiplies by 4"),
        ("sharpen", "none", "raises high frequencies x 9 while keeping the mean"),
        ("emboss", "none", "adds the slope along -45 degrees"),
        ("edge-cross", "none", "some waves are multiplied by 8 each time"),
        ([[0, 0, 0]], "none", "gives zero everywhere"),
    ],
)
def test_each_rule_speaks_where_it_shall(value: Any, how: Any, said: str) -> None:
    mask = read(value)
    assert said in " ".join(Character(kernels.normalise(mask, how)).reading(Character(mask)))


def test_rules_keep_silent_where_they_shall_not_speak() -> None:
    silent = {
        "hardly moves anything": [[0, 0, 0], [0, 9, 0], [0, 0, 0]],  # its sum is not zero
        "like a Gaussian": [[1, 1, 1]],
        "keeps": [[1, 2, 1]],
        "one direction": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        "drifts": [[1, 2, 1]],
        "spreads evenly": [[1, 2, 1]],
    }
    for words, mask in silent.items():
        k = read(mask)
        how = "softmax" if "hardly" in words else "sum"
        told = " ".join(Character(kernels.normalise(k, how)).reading(Character(k)))
        assert words not in told
    masks = {
        "Laplacian": [[0, 0, 0], [-1, 2, -1], [0, 0, 0]],
        "grows": [[-0.1, 0.5, 0.1]],
        "sharpens": [[-0.5, 1, 0.5]],
        "differentiates": [[-1, 2, -1]],
    }
    for words, mask in masks.items():
        assert words not in " ".join(Character(read(mask)).reading())


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_truncation_moves_no_field_by_more_than_twice_the_mass_left_out(tolerance: float) -> None:
    whole = kernels.lattice(9.0)
    part, left_out = kernels.truncated(whole, tolerance)
    wide = np.pad(part, (whole.size - part.size) // 2)
    ring = np.random.default_rng(3).standard_normal(401)
    moved = [
        np.real(np.fft.ifft(np.fft.fft(ring) * np.fft.fft(np.pad(p, (0, 401 - p.size)))))
        for p in (whole, wide)
    ]
    for order in (1, 2, np.inf):
        apart = np.linalg.norm(moved[0] - moved[1], order)
        assert apart <= 2.0 * left_out * np.linalg.norm(ring, order)


def test_half_a_density_is_told_from_its_centre_on_and_only_of_symmetric_ones() -> None:
    assert np.array_equal(kernels.half(np.array([1.0, 2.0, 4.0, 2.0, 1.0])), [4.0, 2.0, 1.0])
    for wrong in ([1.0, 2.0], [1.0, 2.0, 3.0], [[1.0]]):
        with pytest.raises(ValueError, match="symmetric"):
            kernels.half(np.array(wrong))


def test_the_schema_knows_names_lists_and_single_numbers_and_a_dump_tells_all() -> None:
    schema = Holder.model_json_schema()
    assert "edge-detector" in schema["properties"]["kernel"]["anyOf"][0]["enum"]
    sigma = schema["$defs"]["Gaussian"]["properties"]["sigma"]
    assert [form.get("type") for form in sigma["anyOf"]] == ["number", "array"]
    row, column = np.ones((3, 1)), np.ones((1, 3))
    dumped = [Holder(kernel=k).model_dump(mode="json")["kernel"] for k in (row, column)]
    assert dumped[0] != dumped[1]
    assert Holder(kernel=[[1, 2, 1]]).model_dump(mode="json")["kernel"]["rows"] == [[1, 2, 1]]
