"""A report holds what was stored: of chance all of it, and of what is no number nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from plot_samples import Open, opener, random_fields
from report_samples import Page

from diffusim import report
from diffusim.report.levels import as_plain, levels
from diffusim.report.tables import verdicts


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def holed() -> np.ndarray:
    """Fields with cells of no number, a frame of one infinity, and one of no number at all."""
    u = random_fields()
    u[1, 3:6, 1] = np.nan
    u[2, 0, 0] = np.inf
    u[3] = np.nan
    return u


def page_of(found: tuple, folder: Path) -> Page:
    stored, comparison = found
    runs = dict(sorted(stored.runs.items(), key=lambda run: run[0] != "modes"))
    return Page(report.write(stored, runs, comparison, folder / "page.html"))


def test_noise_far_beyond_the_scale_is_kept_as_it_is(opened: Open, tmp_path: Path) -> None:
    u = random_fields()
    noise = u + 40.0 * (random_fields(seed=2) - 0.5)
    counts = {"walkers": np.ones(u.shape, int)}
    page = page_of(opened({"modes": u, "walkers": noise}, counts=counts), tmp_path)
    assert page.data["limits"] == [u.min(), u.max()]
    assert page.data["own"] == [[one.min(), one.max()] for one in u]
    spans = np.ptp(noise, axis=(1, 2))[:, None, None]
    # To half a step of two bytes, which is less than a step of the colours.
    assert np.all(np.abs(page.fields(1)[:, 0] - noise) <= 0.5 * (1 + 1e-9) * spans / 254.0 / 255.0)
    assert "in 254 steps of what it spans, where chance made it in 64770." in page.text
    assert np.all(np.abs(page.fields(0)[:, 0] - u) <= 0.51 / 254.0)


def test_where_chance_is_all_there_is_every_moment_has_its_scale(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields()
    page = page_of(opened({"modes": u}, counts={"modes": np.ones(u.shape, int)}), tmp_path)
    assert page.data["own"] == [[one.min(), one.max()] for one in u]


@pytest.mark.parametrize(("beyond", "said"), [(1.0 / 600.0, False), (1.0 / 400.0, True)])
def test_what_no_colour_could_show_to_be_beyond_the_scale_is_not_said_to_be(
    opened: Open, tmp_path: Path, beyond: float, said: bool
) -> None:
    u = random_fields()
    over = u + beyond * np.ptp(u) * (u == u.max())
    page = page_of(opened({"modes": u, "ftcs": over}), tmp_path)
    assert ("has the colour of its end" in page.text) is said


def test_what_is_no_number_is_none_in_the_page(opened: Open, tmp_path: Path) -> None:
    u, bad = random_fields(), holed()
    page = page_of(opened({"modes": u, "ftcs": bad}), tmp_path)
    known = np.isfinite(bad)
    fields = page.fields(1)[:, 0]
    assert np.array_equal(np.isfinite(fields), known)
    assert np.allclose(fields[known], bad[known], rtol=0, atol=0.51 / 254)
    assert page.data["runs"][1]["spans"][3] is None
    assert page.data["runs"][1]["spans"][1] == [np.nanmin(bad[1]), np.nanmax(bad[1])]
    apart = page.differences(1)[:, 0]
    assert np.array_equal(np.isfinite(apart), known)
    assert np.allclose(apart[known], (bad - u)[known], rtol=0, atol=1e-12)
    assert "Where there is no number maps are grey and lines have gaps." in page.text
    assert page.data["limits"] == [u.min(), u.max()]


def test_a_page_of_numbers_alone_does_not_speak_of_gaps(opened: Open, tmp_path: Path) -> None:
    page = page_of(opened({"modes": random_fields()}), tmp_path)
    assert "no number" not in page.text


def test_a_reference_of_no_number_leaves_the_scale_to_the_others(opened: Open) -> None:
    u = random_fields()
    stored, comparison = opened({"modes": u, "ftcs": u})
    lost: Any = SimpleNamespace(label="modes", facts={}, frames=np.full_like(u, np.nan),
                                counts=None, arrays={})  # fmt: skip
    found = levels(stored, {"modes": lost, "ftcs": stored.runs["ftcs"]}, comparison, 10**6)
    assert found.limits == (u.min(), u.max())
    alone = levels(stored, {"modes": lost}, comparison, 10**6)
    assert alone.limits == (0.0, 1.0)
    assert as_plain(alone)["runs"][0]["spans"] == [None] * 4


def test_the_table_says_what_is_no_number(opened: Open) -> None:
    _, comparison = opened({"modes": random_fields(), "ftcs": holed()})
    assert "not a number" in verdicts(comparison)
    assert ">nan<" not in verdicts(comparison)


def test_the_page_writes_powers_in_units_as_people_do(opened: Open, tmp_path: Path) -> None:
    page = page_of(opened({"modes": random_fields()}, unit="1/m^2"), tmp_path)
    assert page.data["unit"] == "1/m²"
    assert "1/m²" in page.text
    assert "1/m^2" not in page.text
