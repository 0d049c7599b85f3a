"""Shipped scenarios about waves show what their comments say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from shell import ROOT

import diffusim as ds
from diffusim import plots
from diffusim.alignment import compare_stored
from diffusim.experiment import prepare

SHIPPED = ROOT / "scenarios"


def directions_told(folder: Path, *overrides: str) -> list[float]:
    """The angles that the figure fourier of the turned portrait tells, of both frames."""
    source = SHIPPED / "turned_portrait.yaml"
    with ds.run(source, folder, overrides=overrides, only=["modes"]) as stored:
        figure = plots.fourier(stored, compare_stored([stored]))
    assert figure is not None
    titles = "\n".join(axes.get_title() for axes in figure.axes)
    return [float(angle) for angle in re.findall(r"varies most\nalong (.*)°, weakly", titles)]


def test_the_turned_portrait_is_told_to_be_turned_by_37_degrees(tmp_path: Path) -> None:
    turned = directions_told(tmp_path / "turned")
    upright = directions_told(tmp_path / "upright", "initial.turn=0")
    assert (upright, turned) == ([162.7, 162.7], [19.5, 19.5])
    for one, other in zip(turned, upright, strict=True):
        assert abs((one - other - 37.0 + 90.0) % 180.0 - 90.0) < 0.5


def test_the_filter_of_diffusion_is_diffusion_frame_by_frame() -> None:
    ready = prepare(SHIPPED / "diffusion_as_filter.yaml", only=["modes"])
    scenario = ready.scenario
    assert scenario.frame_times.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    mask = scenario.propagator.mask[0]  # type: ignore[attr-defined]
    assert (mask.diffusivity, mask.time) == (1.5e-9, 3600.0)
    filtered = ds.solve(ready.initial, scenario.propagator, grid=scenario.grid,
                        times=[0, 1, 2, 3, 4], method="fourier").frames  # fmt: skip
    spread = ds.solve(ready.initial, ds.Diffusion(diffusivity=1.5e-9), grid=scenario.grid,
                      times=[0.0, 3600.0, 7200.0, 10800.0, 14400.0],
                      method={"kind": "modes", "limit": "continuum"}).frames  # fmt: skip
    assert np.max(np.abs(filtered[4] - filtered[0])) > 0.3
    assert np.max(np.abs(filtered - spread)) < 1e-12


def test_the_largest_waves_tell_more_than_as_many_long_ones() -> None:
    facts = {}
    for name in ("portrait_through_a_disc", "portrait_by_its_largest_waves"):
        ready = prepare(SHIPPED / f"{name}.yaml", only=["modes"])
        facts[name] = ready.scenario.propagator.facts(ready.initial, ready.scenario.grid)
    disc, largest = facts.values()
    assert disc["compressed_to"] == largest["compressed_to"] == 835 / 65536
    assert disc["psnr"] == pytest.approx(19.0, abs=0.05)
    assert largest["psnr"] == pytest.approx(20.3, abs=0.05)
