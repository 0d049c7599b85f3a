"""What results show of themselves in a notebook: whole, escaped, no library of figures loaded."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from plot_samples import publish, random_fields

import diffusim as ds
from diffusim import store, thumbnails
from diffusim.alignment import compare_stored

EVIL = "<script>alert('x')</script> & \"so on\""


class Page(HTMLParser):
    """Counts tags, and refuses those that close in another order than they open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(text: str) -> Page:
    found = Page(text)
    assert found.open == []
    assert "script" not in found.seen
    return found


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def solved(shape: tuple[int, ...] = (8, 4), method: str = "modes") -> ds.solve:
    grid = ds.Grid(shape=shape, size=tuple(0.01 * n for n in shape))
    u = random_fields(1, shape)[0]
    water = ds.Diffusion(diffusivity=1e-9)
    return ds.solve(u, water, grid=grid, times=[0.0, 1e3, 2e3, 3e3], method=method)


def test_a_run_shows_its_first_middle_and_last_frame_the_right_way_up() -> None:
    run = solved()
    text = run._repr_html_()
    found = pictures(text)
    assert [one.shape for one in found] == [(4, 8, 3)] * 3
    shown = np.stack([run.frames[k] for k in (0, 1, 3)])
    low, high = shown.min(), shown.max()
    for pixels, u in zip(found, shown, strict=True):
        wanted = 255.0 * colormaps["viridis"]((u - low) / (high - low))[..., :3]
        upright = wanted.transpose(1, 0, 2)[::-1]
        assert np.max(np.abs(pixels - upright)) < 6.0
    words = " ".join(page(text).words)
    assert "modes" in words
    assert "lattice" in words
    assert "t = 1000" in words


def test_a_run_on_a_line_shows_the_area_below_its_curve() -> None:
    run = solved((16,))
    first = pictures(run._repr_html_())[0]
    assert first.shape == (thumbnails.CURVE, 16, 3)
    heights = (~np.all(first == 255, axis=-1)).sum(axis=0) / thumbnails.CURVE
    u = run.frames
    wanted = (u[0] - u.min()) / (u.max() - u.min())
    assert np.max(np.abs(heights - np.maximum(wanted, 1 / thumbnails.CURVE))) < 0.02


def test_three_channels_are_a_picture_in_colours_and_two_their_mean() -> None:
    u = random_fields(3, (5, 7))
    rgb = thumbnails.picture(u, (0.0, 1.0), 3)
    assert np.array_equal(rgb, np.rint(255.0 * u).astype(np.uint8).transpose(2, 1, 0)[::-1])
    two = thumbnails.picture(u[:2], (0.0, 1.0), 2)
    assert np.array_equal(two, thumbnails.picture(u[:2].mean(axis=0), (0.0, 1.0)))


def test_what_a_user_wrote_is_escaped_everywhere(tmp_path: Path) -> None:
    fields = {"a": random_fields(), "b": random_fields(seed=2)}
    facts = {"a": {"kind": EVIL}, "b": {"kind": EVIL}}
    path = publish(tmp_path / "run", fields, title=EVIL, unit=EVIL, facts=facts)
    with store.load(path) as stored:
        whole = stored._repr_html_()
        compared = compare_stored([stored])._repr_html_()
    run = ds.solving.Run(EVIL, np.array([0.0, 1.0]), random_fields(2), {"kind": EVIL})
    for text in (whole, compared, run._repr_html_()):
        assert "<script" not in text
        assert EVIL in "".join(page(text).words)


def test_a_stored_result_shows_its_runs_and_when_closed_their_table(tmp_path: Path) -> None:
    fields = {label: random_fields(seed=k) for k, label in enumerate("abcdef")}
    path = publish(tmp_path / "run", fields)
    with store.load(path) as stored:
        text = stored._repr_html_()
    assert len(pictures(text)) == 4 * 3
    words = " ".join(page(text).words)
    assert "pictures of 2 runs more are left out" in words
    assert "t = 3 h" in words
    closed = " ".join(page(stored._repr_html_()).words)
    assert "is closed" in closed
    assert all(label in closed for label in fields)


def test_a_comparison_shows_a_row_for_each_run_and_alarms(tmp_path: Path) -> None:
    u = random_fields(2) + 1.0
    off = u * np.array([1.0, 1.001])[:, None, None]
    facts = {"ftcs": {"prediction": "estimate", "predicted": [0.0, 1e-6]}}
    with store.load(publish(tmp_path / "run", {"modes": u, "ftcs": off}, facts=facts)) as stored:
        text = compare_stored([stored])._repr_html_()
    found = page(text)
    assert found.seen.count("tr") == 3
    assert "1.0 × 10⁻³" in " ".join(found.words)
    alarms = re.findall(r'<tr style="color: (#\w+)">(.*?)</tr>', text)
    assert [colour for colour, _ in alarms] == ["#B03A00"]
    assert "ftcs" in alarms[0][1]
    assert "unexplained" in alarms[0][1]


def test_no_library_of_figures_is_loaded() -> None:
    code = (
        "import sys, numpy as np, diffusim as ds\n"
        "grid = ds.Grid(shape=(4, 4), size=(1.0, 1.0))\n"
        "u = np.arange(16.0).reshape(4, 4)\n"
        "run = ds.solve(u, ds.Diffusion(diffusivity=1.0), grid=grid, times=[0.0, 1.0])\n"
        "assert 'PIL' not in sys.modules\n"
        "assert '<img' in run._repr_html_()\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- thumbnails ---------------------------------------------------------------------------------


def test_small_pictures_have_the_colours_of_the_figures_and_grey_for_no_number() -> None:
    share = np.linspace(0.0, 1.0, 1001)
    wanted = 255.0 * colormaps["viridis"](share)[:, :3]
    assert np.max(np.abs(thumbnails.coloured(share) - wanted)) < 6.0
    assert thumbnails.coloured(np.array([np.nan])).tolist() == [list(thumbnails.MISSING)]


@pytest.mark.parametrize("u", [np.full((3, 2), 7.0), np.full((3, 2), np.nan), np.zeros((1, 1))])
def test_what_has_no_span_is_drawn_all_the_same(u: np.ndarray) -> None:
    pixels = thumbnails.picture(u, thumbnails.limits(u))
    assert pixels.shape == (*u.shape[::-1], 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1


def test_large_fields_are_shown_by_means_of_blocks() -> None:
    u = random_fields(1, (500, 100))[0]
    pixels = thumbnails.picture(u, (0.0, 1.0))
    assert pixels.shape == (38, 192, 3)
    small = thumbnails.resized(u, (5, 10))
    assert np.allclose(small, u.reshape(5, 100, 10, 10).mean(axis=(1, 3)), rtol=1e-12, atol=0)
    assert np.array_equal(
        thumbnails.resized(u[:2, :3], (4, 6)), u[:2, :3].repeat(2, 0).repeat(2, 1)
    )


def test_the_largest_numbers_have_a_span_too() -> None:
    assert thumbnails.parts(np.array([-1.7e308, 0.0, 1.7e308]), (-1.7e308, 1.7e308)).tolist() == [
        0.0, 0.5, 1.0,
    ]  # fmt: skip
