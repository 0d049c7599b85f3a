"""A filter as a propagator: every method that carries it does the same, and chance where it may."""

from __future__ import annotations

import itertools
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Unsupported
from diffusim.files import named_file, read_image
from diffusim.filters import compress, kernel_of
from diffusim.kernels import is_density
from diffusim.propagators.filter import Filter
from diffusim.spectrum import of_modes

KINDS: dict[str, Any] = {
    "disc": {"kind": "disc", "wavelength": 0.4},
    "high": {"kind": "gaussian", "sigma": 0.08, "passes": "high"},
    "Butterworth": {"kind": "butterworth", "wavelength": 0.5, "order": 2},
    "density": {"kind": "gaussian", "sigma": 0.3},
    "slanted": {"kind": "direction", "angle": 37, "width": 30},
    "largest": {"kind": "largest", "keep": 0.3, "path": "portrait"},
    "several": [{"kind": "disc", "wavelength": 0.3}, {"kind": "gaussian", "sigma": 0.05}],
}
EDGES: dict[str, Any] = {"mirrors": "no-flux", "rings": "periodic", "mixed": {"x": "periodic"}}


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_carries_it_alike_any_number_of_times(kind: str, edges: str) -> None:
    if kind == "slanted" and edges != "rings":
        return
    for shape in ((9, 8), (8, 6)):
        grid = ds.Grid(shape=shape, size=(0.1 * shape[0], 0.12 * shape[1]), edges=EDGES[edges])
        filter_ = Filter(mask=KINDS[kind])
        u = np.random.default_rng(1).standard_normal(shape)
        wanted = ds.solve(u, filter_, grid=grid, times=[1, 2, 7], method="modes").frames
        for method in ("fourier", "stencil", "auto"):
            found = ds.solve(u, filter_, grid=grid, times=[1, 2, 7], method=method).frames
            assert np.max(np.abs(found - wanted)) < 1e-13
        # What is told a time at once is the power of the mask.
        once = ds.solve(u, filter_, grid=grid, times=[7], method="modes").frames[0]
        assert np.max(np.abs(once - wanted[2])) < 1e-14


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_a_wide_gaussian_is_a_density_of_just_its_variance(edges: str) -> None:
    grid = ds.Grid(shape=(64, 50), size=(0.64, 0.5), edges=edges)
    wide = Filter(mask={"kind": "gaussian", "sigma": 0.03})
    kernel = wide.kernel_on(grid)
    assert is_density(kernel)
    assert wide.traits(grid) == {}
    assert any("is a density" in note for note in wide.notes(grid))
    moves = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert moves**2 @ kernel.sum(axis=1) == pytest.approx(9.0, rel=1e-9)
    # What is made zero is round-off all together.
    assert np.sum(np.abs(kernel_of(wide.multiplier(grid), even=True) - kernel)) < 1e-14


def test_a_narrow_gaussian_keeps_its_weights_below_zero_and_is_a_mask() -> None:
    """At sigma 2 cells they are 2e-10 of the largest, which is no round-off."""
    grid = ds.Grid(shape=(64,), size=(0.64,), edges="periodic")
    for sigma, below in ((1.0, 1e-4), (2.0, 1e-10)):
        narrow = Filter(mask={"kind": "gaussian", "sigma": 0.01 * sigma})
        kernel = narrow.kernel_on(grid)
        assert np.min(kernel) < -below * np.max(kernel)
        assert narrow.traits(grid) == {"mask": "propagator.mask"}
        ring = np.append(kernel[32:-1], kernel[:32])
        ring[32] += kernel[-1]
        factors = np.fft.fft(ring)
        exact = np.exp(-0.5 * (2 * np.pi * np.fft.fftfreq(64) * sigma) ** 2)
        assert np.max(np.abs(factors - exact)) < 1e-15


@pytest.mark.parametrize("edges", EDGES)
def test_whether_a_kernel_is_a_density_is_known_without_making_it(edges: str) -> None:
    """Beside the plain inverse transform of the mask, also where a sharp mask averages lines."""
    averages = {"kind": "direction", "angle": 90, "width": 1}
    nothing = {"kind": "ring", "wavelengths": [100.0, 200.0]}
    found = set()
    for shape, mask in itertools.product(
        ((9, 8), (8, 6), (30, 1)), (*KINDS.values(), averages, nothing)
    ):
        grid = ds.Grid(shape=shape, size=(0.1 * shape[0], 0.12 * shape[1]), edges=EDGES[edges])
        filter_ = Filter(mask=mask)
        if mask is KINDS["slanted"] and edges != "rings":
            continue
        weights = np.fft.ifftn(filter_.multiplier(grid)).real
        lowest = np.min(weights) / max(np.max(np.abs(weights)), 1e-300)
        wanted = lowest > -1e-15 and abs(np.sum(weights) - 1.0) < 1e-12
        assert (filter_.traits(grid) == {}) == wanted
        assert is_density(filter_.kernel_on(grid)) == wanted
        assert filter_.keeps(grid) == (abs(np.sum(weights) - 1.0) < 1e-12)
        assert any("is a density" in note for note in filter_.notes(grid)) == wanted
        found.add((wanted, mask is averages))
    assert found >= {(True, True), (True, False), (False, False)}


def test_what_a_run_in_modes_asks_takes_no_more_memory_than_a_few_fields() -> None:
    """The kernel between mirrors is four fields large, and its transform was eight."""
    grid = ds.Grid(shape=(500, 400), size=(5.0, 4.0))
    for mask in (KINDS["disc"], KINDS["density"], KINDS["Butterworth"]):
        filter_ = Filter(mask=mask)
        tracemalloc.start()
        assert list(filter_.check(grid)) == []
        filter_.traits(grid)
        filter_.keeps(grid)
        assert list(filter_.notes(grid))
        filter_.symbol(grid, 0.0, "lattice").carry(np.ones(grid.shape), 3.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 7 * 8 * grid.cells


def test_a_filter_that_lets_no_wave_through_says_so() -> None:
    grid = ds.Grid(shape=(8, 6), size=(0.8, 0.6))
    nothing = Filter(mask={"kind": "ring", "wavelengths": [100.0, 200.0]})
    assert "its kernel is nothing, since no wave of this grid passes" in list(nothing.notes(grid))


def test_chance_carries_a_density_and_refuses_a_mask_in_words() -> None:
    """False alarm: five standard deviations, one in a million, had the seed not been fixed."""
    grid = ds.Grid(shape=(40,), size=(0.4,), edges="periodic")
    u = np.zeros(40)
    u[11] = 1.0
    wide = Filter(mask={"kind": "diffusion", "diffusivity": 1e-4, "time": 10})
    many = {"kind": "collapse", "particles": 10**8}
    found = ds.solve(u, wide, grid=grid, times=[3], method=many, seed=4).frames[0]
    law = ds.solve(u, wide, grid=grid, times=[3], method="modes").frames[0]
    noise = np.sqrt(np.clip(law, 1e-12, None) / 1e8 / grid.volume * 0.01)
    assert np.max(np.abs(found - law) / noise) < 5.0
    with pytest.raises(Unsupported, match=r"cannot carry mask \(propagator.mask\)"):
        ds.solve(u, Filter(mask={"kind": "disc", "wavelength": 0.1}), grid=grid, times=[1],
                 method=many)  # fmt: skip


def test_what_passes_all_is_the_identity_and_a_density() -> None:
    grid = ds.Grid(shape=(9, 8), size=(0.9, 0.8))
    everything = Filter(mask={"kind": "disc", "wavelength": 0.01})
    kernel = everything.kernel_on(grid)
    assert np.count_nonzero(kernel) == 1
    assert kernel[9, 8] == 1.0
    assert everything.traits(grid) == {}


@pytest.mark.parametrize(
    ("edges", "kind"),
    [({"left": {"value": 1.0}, "right": "no-flux"}, "value"), ({"y": {"flux": 1.0}}, "flux"),
     ({"x": {"transfer": 1.0, "value": 0.0}}, "transfer")],
)  # fmt: skip
def test_held_and_leaky_sides_are_refused_in_words_that_say_what_would_work(
    edges: Any, kind: str
) -> None:
    grid = ds.Grid(shape=(6, 5), size=(1.0, 1.0), edges=edges)
    problems = list(Filter(mask={"kind": "disc", "wavelength": 0.4}).check(grid))
    assert problems
    for problem in problems:
        assert f"a side with a {kind} (grid.edges." in problem.message
        assert "no-flux (cosines) or periodic" in problem.message


def test_a_filter_is_for_boxes_and_series() -> None:
    disc = Filter(mask={"kind": "disc", "wavelength": 0.4})
    (problem,) = disc.check(ds.Grid(geometry="spherical", shape=(6,), size=(1.0,)))
    assert "this grid is radial" in problem.message
    days = ds.Grid(geometry="series", shape=(70,), size=("70 day",))
    weeks = Filter(mask={"kind": "disc", "wavelength": "7 day", "passes": "high"})
    assert list(weeks.check(days)) == []
    assert np.count_nonzero(of_modes(weeks.multiplier(days), days)) == 70 - 21
    (problem,) = Filter(mask={"kind": "diffusion", "diffusivity": 1, "time": 1}).check(days)
    assert "gaussian" in problem.message


def test_a_filter_knows_the_cells_only() -> None:
    grid = ds.Grid(shape=(6,), size=(1.0,))
    with pytest.raises(Unsupported, match="no limit continuum"):
        ds.solve(np.ones(6), Filter(mask={"kind": "disc", "wavelength": 0.4}), grid=grid,
                 times=[1], method={"kind": "modes", "limit": "continuum"})  # fmt: skip


def test_the_notes_say_what_is_kept_and_how_far_the_kernel_falls_below_zero() -> None:
    grid = ds.Grid(shape=(64,), size=(0.64,), edges="periodic")
    notes = list(Filter(mask={"kind": "disc", "wavelength": 0.08}).notes(grid))
    # Dirichlet's kernel of 17 waves, at the whole moves.
    moves = np.arange(1, 64)
    lowest = np.min(np.sin(17 * np.pi * moves / 64) / np.sin(np.pi * moves / 64)) / 17
    assert notes == [
        "keeps 17 of 64 modes (26.6 %), a compression to one number in 3.76",
        f"its kernel rings: the most negative weight is {100 * lowest:.3g} % of the largest",
        "applied again it changes nothing more",
    ]
    high = {"kind": "butterworth", "wavelength": 0.08, "order": 1, "passes": "high"}
    notes = list(Filter(mask=high).notes(grid))
    assert notes[:2] == [
        "keeps more than half of the amplitude of 47 of 64 modes (73.4 %)",
        "takes the mean away",
    ]
    slanted = Filter(mask={"kind": "direction", "angle": 37, "width": 20})
    even = ds.Grid(shape=(8, 8), size=(1.0, 1.0), edges="periodic")
    odd = ds.Grid(shape=(9, 9), size=(1.0, 1.0), edges="periodic")
    assert "some waves of two cells" in list(slanted.notes(even))[-1]
    assert list(slanted.notes(odd))[-1] == "applied again it changes nothing more"


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_the_portrait_through_its_largest_modes_is_compression(edges: str) -> None:
    grid = ds.Grid(shape=(48, 40), size=(0.48, 0.4), edges=edges)
    u = read_image(named_file("portrait"), (48, 40))
    mask = Filter(mask={"kind": "largest", "keep": 0.07, "path": "portrait"})
    found = ds.solve(u, mask, grid=grid, times=[1], method="modes").frames[0]
    told = compress(u, 0.07, grid)
    assert np.max(np.abs(found - told.field)) < 1e-13
    error = float(np.linalg.norm(found - u) / np.linalg.norm(u))
    assert told.error == pytest.approx(error, rel=1e-10)
    facts = mask.facts(u, grid)
    assert facts == pytest.approx(
        {"compressed_to": told.ratio, "compression_error": told.error, "psnr": told.psnr}, rel=1e-10
    )
    # Of channels it is their mean that is told.
    assert mask.facts(np.array([u, 2.0 * u, 0.0 * u]), grid) == pytest.approx(facts, rel=1e-10)


def test_only_what_keeps_long_or_large_waves_is_called_a_compression() -> None:
    grid = ds.Grid(shape=(12, 10), size=(1.2, 1.0), edges="periodic")
    u = np.random.default_rng(5).random(grid.shape)
    for name, mask in KINDS.items():
        filter_ = Filter(mask=mask)
        assert filter_.compresses == bool(filter_.facts(u, grid)) == (name in ("disc", "largest"))
        (keeps,) = [note for note in filter_.notes(grid) if note.startswith("keeps")]
        assert ("a compression to one number in" in keeps) == filter_.compresses
    assert not Filter(mask={**KINDS["disc"], "passes": "high"}).compresses
    assert Filter(mask=[KINDS["disc"], KINDS["largest"]]).compresses
    # What leaves nothing out has no PSNR that is a number.
    everything = Filter(mask={"kind": "disc", "wavelength": 0.01})
    assert everything.facts(u, grid) == {"compressed_to": 1.0, "compression_error": 0.0}


def test_ratio_and_psnr_are_stored_with_every_run_and_in_the_metrics(tmp_path: Path) -> None:
    (tmp_path / "told.yaml").write_text(
        "grid: {shape: [24, 20], size: [24 mm, 20 mm]}\n"
        "propagator: {kind: filter, mask: {kind: disc, wavelength: 8 mm}}\n"
        "initial: {kind: image, path: portrait}\n"
        "times: {at: [0, 1]}\n"
        "methods: [modes, fourier]\n",
        encoding="utf-8",
    )
    with ds.run(tmp_path / "told.yaml", tmp_path) as stored:
        metrics = json.loads((tmp_path / "told" / "metrics.json").read_text(encoding="utf-8"))
        kept = sum(math.hypot(i / 48, j / 40) <= 1 / 8 for i in range(24) for j in range(20))
        for label, run in stored.runs.items():
            before, after = (np.asarray(frame) for frame in run.frames)
            noise = 10.0 * np.log10(np.ptp(before) ** 2 / np.mean((after - before) ** 2))
            assert run.facts["psnr"] == pytest.approx(noise, rel=1e-9)
            assert run.facts["compressed_to"] == kept / 480
            assert metrics["facts"][label]["psnr"] == run.facts["psnr"]
            assert metrics["facts"][label]["compressed_to"] == run.facts["compressed_to"]


def test_the_kernel_of_another_grid_is_another_one() -> None:
    disc = Filter(mask={"kind": "disc", "wavelength": 0.3})
    seen = set()
    for n, size, edges in ((8, 1.0, "no-flux"), (8, 1.0, "periodic"), (8, 2.0, "periodic"),
                           (9, 1.0, "periodic"), (7, 1.0, "periodic")):  # fmt: skip
        grid = ds.Grid(shape=(n,), size=(size,), edges=edges)
        kernel = disc.kernel_on(grid)
        assert math.fsum(kernel) == pytest.approx(1.0, rel=1e-14)
        assert not kernel.flags.writeable
        seen.add(kernel.tobytes())
    assert len(seen) == 5
