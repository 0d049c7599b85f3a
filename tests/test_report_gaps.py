"""A report in a browser where numbers are missing, are beyond the scale, or are single ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, browser
from plot_samples import opener, random_fields
from test_report_browser import choose, label_of, move_to, off, pixels, text_of

from diffusim import report

pytestmark = pytest.mark.proof

GREY = (0x9A, 0x9A, 0x9A)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


def shown(window: Browser, folder: Path, runs: dict[str, np.ndarray], **changes: Any) -> None:
    """Open the page of some runs, the first of them the reference."""
    with opener(folder) as make:
        stored, comparison = make(runs, **changes)
        found = {label: stored.runs[label] for label in runs}
        path = report.write(stored, found, comparison, folder / "report.html")
    window.resize(1200)
    window.console()
    window.open(path)
    assert window.console() == []


def ticks(window: Browser, name: str) -> list[float]:
    """The numbers upwards at a plot."""
    words = window.run("return [...document.querySelectorAll(arguments[0])]"
                       ".map(t => t.textContent)", f"#{name} text[text-anchor=end]")  # fmt: skip
    return [float(word.replace("\N{MINUS SIGN}", "-")) for word in words]


def heights(window: Browser, name: str) -> np.ndarray:
    """How far up the points of each line of a plot are, in pixels from its top."""
    paths = window.run("return [...document.querySelectorAll(arguments[0])]"
                       ".map(p => p.getAttribute('d'))", f"#{name} path")  # fmt: skip
    return np.array([[float(y) for y in re.findall(r",([-\d.]+)", d)] for d in paths])


def test_noise_far_beyond_the_scale_is_seen_in_profiles_and_read_out(
    window: Browser, tmp_path: Path
) -> None:
    u = random_fields()
    noise = u + 40.0 * (random_fields(seed=2) - 0.5)
    counts = {"walkers": np.ones(u.shape, int)}
    shown(window, tmp_path, {"modes": u, "walkers": noise}, counts=counts)
    move_to(window, 2)
    low, high = u.min(), u.max()
    wanted = 255.0 * (np.clip(noise[2], low, high) - low) / (high - low)
    assert off(pixels(window, "#maps canvas", 1), "viridis", wanted) <= 1.0
    found = re.search(r"walkers (\S+) g/L", text_of(window, "point"))
    assert found is not None
    value = float(found[1].replace("\N{MINUS SIGN}", "-"))
    assert abs(value - noise[2, 6, 2]) <= 0.51 * np.ptp(noise[2]) / 254.0 / 255.0 + 0.005 * abs(
        value
    )
    line = noise[2, :, 2]
    assert min(ticks(window, "row")) <= -5.0
    assert max(ticks(window, "row")) >= 5.0
    # The line of the noise has the shape of the noise.
    (drawn,) = [y for y in heights(window, "row") if np.ptp(y) > 50.0]
    assert abs(np.corrcoef(drawn, line)[0, 1]) > 0.999
    choose(window, 1, 0)
    assert label_of(window, "#apart canvas").startswith("walkers minus modes, 2 h, from −")


def test_what_is_no_number_is_grey_a_gap_and_named(window: Browser, tmp_path: Path) -> None:
    u, bad = random_fields(), random_fields(seed=2)
    bad[2, 4:6, :] = np.nan
    bad[3] = np.nan
    shown(window, tmp_path, {"modes": u, "ftcs": bad})
    move_to(window, 2)
    for canvas, place in (("#maps canvas", 1), ("#apart canvas", 0)):
        grey = np.all(pixels(window, canvas, place) == GREY, axis=-1)
        assert np.array_equal(grey, ~np.isfinite(bad[2]))
    window.press("#maps canvas", "left")
    assert "ftcs no number" in text_of(window, "point")
    count = "return document.querySelectorAll('#row path').length"
    assert window.run(count) == 3
    low, high = np.nanmin(bad[2]), np.nanmax(bad[2])
    assert window.run("return document.querySelectorAll('#maps canvas')[1].ariaLabel") == (
        f"ftcs, 2 h, from {low:.3g} to {high:.3g} g/L"
    )
    move_to(window, 3)
    assert window.run("return document.querySelectorAll('#maps canvas')[1].ariaLabel") == (
        "ftcs, 3 h, no number here"
    )
    assert text_of(window, "apart-note") == "ftcs minus modes: no number here."


def test_a_single_cell_and_a_single_frame_are_points(window: Browser, tmp_path: Path) -> None:
    shown(window, tmp_path, {"modes": np.full((1, 1), 2.0), "ftcs": np.full((1, 1), 3.0)})
    for name, count in (("row", 2), ("history", 2), ("apart-plot", 1)):
        points = f"return document.querySelectorAll('#{name} circle').length"
        assert window.run(points) == count


@pytest.mark.parametrize(("cells", "ratio"), [((6, 24), 4.0), ((6, 27), 2.5), ((27, 6), 0.4)])
def test_a_tall_box_is_no_higher_than_the_screen(
    window: Browser, tmp_path: Path, cells: tuple[int, int], ratio: float
) -> None:
    size = tuple(n / 300.0 for n in cells)
    shown(window, tmp_path, {"modes": random_fields(shape=cells)}, size=size)
    width, height, screen = window.run(
        "const r = document.querySelector('#maps canvas').getBoundingClientRect();"
        "return [r.width, r.height, innerHeight]"
    )
    assert height <= 0.76 * screen
    assert height / width == pytest.approx(ratio, rel=0.02)
