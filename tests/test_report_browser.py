"""A report in a browser: what is seen is what is stored, and nothing is asked for from anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, browser
from plot_samples import opener
from report_samples import Page

from diffusim import report, store
from diffusim.comparison import compare
from diffusim.plots.colours import table

pytestmark = pytest.mark.proof

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
LABEL = "<img src=x onerror=alert(3)>"
FRAMES, SHAPE = 7, (24, 16)


class Sample:
    """A page, and the fields that it was written from, the reference first."""

    def __init__(self, path: Path, fields: dict[str, np.ndarray]) -> None:
        self.path, self.fields = path, fields
        self.data = Page(path).data


def fields(shape: tuple[int, ...] = SHAPE) -> dict[str, np.ndarray]:
    """Return a fading wave, a run that is off by 1e-7 of it, and one of noise."""
    x = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) / shape[0]
    y = np.arange(shape[1]) / shape[1] if len(shape) > 1 else 0.25
    times = np.arange(FRAMES).reshape(-1, *[1] * len(shape))
    wave = np.exp(-0.5 * times) * (1.0 + np.sin(7 * x + times) * np.cos(3 * y)) + 0.1 * x
    random = np.random.default_rng(3)
    near = wave + 1e-7 * random.standard_normal(wave.shape)
    return {"modes": wave, "ftcs": near, LABEL: wave + 0.3 * random.standard_normal(wave.shape)}


def written(folder: Path, found: dict[str, np.ndarray], **texts: Any) -> Sample:
    names = dict(zip(("a", "b", "c"), found, strict=False))
    with opener(folder) as make:
        # Chance made the last of them.
        counts = {"c": np.ones(found[LABEL].shape, int)}
        stored, _ = make(dict(zip(names, found.values(), strict=True)), counts=counts, **texts)
        runs = {label: replace(stored.runs[name], label=label) for name, label in names.items()}
        comparison = compare(list(runs.values()), stored.times)
        header = replace(plain(stored), title=HOSTILE, scenario=HOSTILE)
        path = report.write(header, runs, comparison, folder / "report.html", notes=[HOSTILE])
    return Sample(path, found)


def plain(stored: store.Stored) -> store.Header:
    names = store.Header.__dataclass_fields__
    return store.Header(**{name: getattr(stored, name) for name in names})


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        made.tell("Network.enable")
        made.tell("Network.emulateNetworkConditions", offline=True, latency=0,
                  downloadThroughput=0, uploadThroughput=0)  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return written(tmp_path_factory.mktemp("report"), fields())


@pytest.fixture
def page(window: Browser, sample: Sample) -> Iterator[Browser]:
    """Open the page afresh, wide, without any wish of the user."""
    window.resize(1200)
    window.prefer(prefers_reduced_motion="no-preference", prefers_color_scheme="light")
    # What earlier pages did is not this one's.
    window.console(), window.requests()
    window.open(sample.path)
    yield window
    assert window.console() == []
    assert window.requests() == [sample.path.as_uri()]


def move_to(page: Browser, time: int) -> None:
    page.run("const s = document.getElementById('time'); s.value = arguments[0];"
             "s.dispatchEvent(new Event('input'))", time)  # fmt: skip


def choose(page: Browser, first: int, second: int) -> None:
    page.run("for (const [k, id] of ['first', 'second'].entries()) {"
             "const s = document.getElementById(id); s.value = arguments[k];"
             "s.dispatchEvent(new Event('change')) }", first, second)  # fmt: skip


def pixels(page: Browser, selector: str, place: int = 0) -> np.ndarray:
    """Return the colours of a canvas as a field has them: shape (x, y, 3), y upwards."""
    width, height, data = page.run(
        "const c = document.querySelectorAll(arguments[0])[arguments[1]];"
        "const copy = new OffscreenCanvas(c.width, c.height);"
        "const context = copy.getContext('2d', {willReadFrequently: true});"
        "context.drawImage(c, 0, 0);"
        "const d = context.getImageData(0, 0, c.width, c.height);"
        "return [c.width, c.height, Array.from(d.data)]", selector, place)  # fmt: skip
    rgba = np.array(data, dtype=int).reshape(height, width, 4)
    assert np.all(rgba[..., 3] == 255)
    return rgba[::-1, :, :3].transpose(1, 0, 2)


def off(colours: np.ndarray, name: str, wanted: np.ndarray) -> float:
    """Return by how many steps of a map colours differ at most from the wanted places in it.

    The map has to hold them all; a colour that two neighbours share counts as the nearer one.
    """
    known = table(name).astype(int)
    alike = np.all(colours[..., None, :] == known, axis=-1)
    assert np.all(np.any(alike, axis=-1))
    apart = np.abs(np.arange(256) - wanted[..., None])
    return float(np.max(np.min(np.where(alike, apart, np.inf), axis=-1)))


def label_of(page: Browser, selector: str) -> str:
    return str(page.run("return document.querySelector(arguments[0]).getAttribute('aria-label')",
                        selector))  # fmt: skip


def text_of(page: Browser, name: str) -> str:
    return str(page.run("return document.getElementById(arguments[0]).textContent", name))


# --- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [0, 3, FRAMES - 1])
def test_the_maps_are_the_stored_frames_within_one_step(
    page: Browser, sample: Sample, time: int
) -> None:
    move_to(page, time)
    low, high = sample.data["limits"]
    for place, u in enumerate(sample.fields.values()):
        wanted = 255.0 * (np.clip(u[time], low, high) - low) / (high - low)
        assert off(pixels(page, "#maps canvas", place), "viridis", wanted) <= 1.0


@pytest.mark.parametrize("time", [1, FRAMES - 1])
def test_the_maps_of_a_moment_alone_are_finer(page: Browser, sample: Sample, time: int) -> None:
    move_to(page, time)
    page.click("#own")
    low, high = sample.data["own"][time]
    u = sample.fields["modes"][time]
    ends = [sample.fields[label][time] for label in ("modes", "ftcs")]
    assert (low, high) == (np.min(ends), np.max(ends))
    wanted = 255.0 * (np.clip(u, low, high) - low) / (high - low)
    assert off(pixels(page, "#maps canvas"), "viridis", wanted) <= 1.0


@pytest.mark.parametrize(("first", "second"), [(1, 0), (0, 1), (2, 0)])
@pytest.mark.parametrize("time", [2, 5])
def test_a_difference_to_the_reference_is_the_true_one_however_small(
    page: Browser, sample: Sample, time: int, first: int, second: int
) -> None:
    move_to(page, time)
    choose(page, first, second)
    runs = list(sample.fields.values())
    apart = runs[first][time] - runs[second][time]
    wanted = 127.5 + 127.5 * apart / np.max(np.abs(apart))
    assert off(pixels(page, "#apart canvas"), "RdBu_r", wanted) <= 1.01
    assert "formed from the stored fields themselves" in text_of(page, "apart-note")


def test_a_difference_of_other_pairs_is_that_of_the_frames_and_says_so(
    page: Browser, sample: Sample
) -> None:
    move_to(page, 2)
    choose(page, 2, 1)
    held = Page(sample.path)
    apart = held.fields(2)[2, 0] - held.fields(1)[2, 0]
    wanted = 127.5 + 127.5 * apart / np.max(np.abs(apart))
    assert off(pixels(page, "#apart canvas"), "RdBu_r", wanted) <= 1.0
    runs = list(sample.fields.values())
    steps = [np.ptp(runs[1][2]) / 254.0, np.ptp(runs[2][2]) / 254.0 / 255.0]
    assert np.max(np.abs(apart - (runs[2][2] - runs[1][2]))) <= 0.5 * (1 + 1e-9) * sum(steps)
    assert "formed from the frames in this page" in text_of(page, "apart-note")


def test_one_scale_for_all_moments_is_that_of_the_largest_difference(
    page: Browser, sample: Sample
) -> None:
    choose(page, 1, 0)
    page.click("#steady")
    largest = max(sample.data["runs"][1]["scales"])
    apart = sample.fields["ftcs"] - sample.fields["modes"]
    for time in (0, 4):
        move_to(page, time)
        wanted = 127.5 + 127.5 * apart[time] / largest
        assert off(pixels(page, "#apart canvas"), "RdBu_r", wanted) <= 1.01


def test_pictures_say_in_words_what_they_show(page: Browser, sample: Sample) -> None:
    move_to(page, 3)
    low, high = sample.fields["modes"][3].min(), sample.fields["modes"][3].max()
    assert label_of(page, "#maps canvas") == f"modes, 3 h, from {low:.3g} to {high:.3g} g/L"
    assert label_of(page, "#apart canvas").startswith("ftcs minus modes, 3 h, from −")
    roles = page.run(
        "return [...document.querySelectorAll('canvas')].map("
        "c => [c.getAttribute('role'), Boolean(c.getAttribute('aria-label'))])"
    )
    assert roles == [["img", True]] * 6


def test_profiles_go_through_the_point_that_is_clicked(page: Browser, sample: Sample) -> None:
    move_to(page, 2)
    page.click("#maps canvas")
    clicked = text_of(page, "point")
    page.press("#maps canvas", "right", "right", "up")
    where = re.compile(r"At x = ([\d.]+) cm and y = ([\d.]+) cm: modes ([\d.]+) g/L, ")
    before, after = (where.match(text) for text in (clicked, text_of(page, "point")))
    assert before is not None
    assert after is not None
    cell = np.array([30.0, 10.0]) / SHAPE
    moved = [float(after[k]) - float(before[k]) for k in (1, 2)]
    assert np.allclose(moved, [2, 1] * cell, rtol=0, atol=0.011)
    # The middle of the map is a corner of four cells; a click there is in one of them.
    assert np.all(np.abs([float(before[1]), float(before[2])] - np.array([15.0, 5.0])) <= cell)
    x, y = (int(float(after[k + 1]) / cell[k]) for k in (0, 1))
    u = sample.fields["modes"][2]
    assert abs(float(after[3]) - u[x, y]) <= 0.51 * np.ptp(u) / 254 + 0.005 * u[x, y]
    paths = page.run("return [...document.querySelectorAll('#row path')].map(p => p.outerHTML)")
    assert len(paths) == 3
    assert all(path.count("L") == SHAPE[0] - 1 for path in paths)


def test_in_one_dimension_all_moments_are_one_picture(window: Browser, tmp_path: Path) -> None:
    flat = written(tmp_path, {k: u[..., 0] for k, u in fields().items()}, size=(0.3,))
    window.open(flat.path)
    low, high = flat.data["limits"]
    u = np.clip(flat.fields["modes"], low, high).T
    wanted = 255.0 * (u - low) / (high - low)
    assert off(pixels(window, "#maps canvas"), "viridis", wanted) <= 1.0
    assert window.run("return document.querySelectorAll('#apart-plot path').length") == 1
    assert window.console() == []


# --- the slider ---------------------------------------------------------------------------------


def test_keys_move_the_slider_and_its_time_is_in_words(page: Browser) -> None:
    for keys, words in ((["home"], "0 s"), (["right", "right"], "2 h"), (["left"], "1 h"),
                        (["end"], f"{FRAMES - 1} h")):  # fmt: skip
        page.press("#time", *keys)
        assert text_of(page, "moment") == words
        value = "return document.getElementById('time').getAttribute('aria-valuetext')"
        assert page.run(value) == words
        assert f", {words}, " in label_of(page, "#maps canvas")


def test_the_slider_plays_only_when_it_is_asked_to(page: Browser) -> None:
    before = text_of(page, "moment")
    page.run("return new Promise(done => setTimeout(done, 500))")
    assert text_of(page, "moment") == before
    move_to(page, 0)
    page.click("#play")
    assert text_of(page, "play") == "Pause"
    wait = "return new Promise(done => setTimeout(done, arguments[0]))"
    page.run(wait, 150 * FRAMES + 1500)
    assert (text_of(page, "moment"), text_of(page, "play")) == (f"{FRAMES - 1} h", "Play")


def test_who_wants_no_motion_is_offered_none(page: Browser) -> None:
    page.click("#play")
    page.prefer(prefers_reduced_motion="reduce")
    page.run("return new Promise(done => setTimeout(done, 300))")
    assert page.run("return getComputedStyle(document.getElementById('play')).display") == "none"
    before = text_of(page, "moment")
    page.run("return new Promise(done => setTimeout(done, 500))")
    assert text_of(page, "moment") == before
    moving = (
        "return [...document.querySelectorAll('*')].map(e => getComputedStyle(e)).filter("
        "s => s.animationName !== 'none' || s.transitionDuration !== '0s').length"
    )
    assert page.run(moving) == 0


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 360, 700, 840, 960, 1100, 1200])
def test_no_screen_is_too_narrow(page: Browser, width: int) -> None:
    page.resize(width)
    assert page.run("return document.documentElement.scrollWidth") <= width
    beyond = (
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest(arguments[0]) &&"
        "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    # Between a list and the whole of a table that may be moved sideways.
    apart = "svg, pre" if not 832 < width < 1200 else "svg, pre, .wide"
    assert page.run(beyond, apart) == []
    # A table that is too wide is moved sideways, but its verdicts are seen without.
    cut = (
        "return [...document.querySelectorAll('#verdicts td[data-head=verdict]')].filter(e =>"
        "e.getBoundingClientRect().right > e.closest('.wide').getBoundingClientRect().right).length"
    )
    assert page.run(cut) == 0


def test_what_a_user_wrote_does_nothing(page: Browser) -> None:
    assert page.run("return document.querySelector('h1').textContent") == HOSTILE
    assert page.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert LABEL in page.run("return document.getElementById('maps').textContent")
    options = "return [...document.querySelectorAll('#first option')].map(o => o.textContent)"
    assert page.run(options) == ["modes", "ftcs", LABEL]


def test_the_policy_of_the_page_is_in_force(window: Browser, sample: Sample) -> None:
    window.open(sample.path)
    window.console()
    asked = "return fetch('data:text/plain,a').then(() => 'fetched', () => 'refused')"
    assert window.run(asked) == "refused"
    window.run("const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
               "document.body.append(s)")  # fmt: skip
    assert window.run("return window.ran") is None
    assert any("Content Security Policy" in line for line in window.console())


def test_the_dark_page_is_dark(page: Browser) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.prefer(prefers_color_scheme="dark")
    dark = page.run(paper)
    assert [sum(map(int, c[4:-1].split(","))) > 384 for c in (light, dark)] == [True, False]


def test_without_its_script_the_page_still_has_its_words(sample: Sample, tmp_path: Path) -> None:
    with ExitStack() as stack:
        window = stack.enter_context(browser(tmp_path))
        window.tell("Emulation.setScriptExecutionDisabled", value=True)
        window.open(sample.path, ready=False)
        window.tell("Emulation.setScriptExecutionDisabled", value=False)
        shown = window.run("return document.body.innerText")
    assert "need JavaScript, which is switched off" in shown
    assert "Ledger of the content" in shown
    assert "Play" not in shown
