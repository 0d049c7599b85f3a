"""A report says what is stored: every frame, every difference, every sentence, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from plot_samples import Open, header, opener, random_fields
from report_samples import Page, picture
from shell import diffusim

from diffusim import report, store
from diffusim.alignment import compare_stored
from diffusim.block import Invalid
from diffusim.comparison import Comparison, compare
from diffusim.plots.shown import coarse
from diffusim.report import words
from diffusim.report.levels import levels
from diffusim.report.packing import WAYS, Packer, unpacked

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'</title>"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


@pytest.fixture
def two(opened: Open) -> tuple[store.Stored, Comparison]:
    """A reference, and a run that is off by a millionth."""
    u = random_fields()
    return opened({"modes": u, "ftcs": u + 1e-6 * random_fields(seed=2)})


def written(found: tuple[store.Stored, Comparison], folder: Path, **options: Any) -> Page:
    """Write a page of a result, the run called modes first."""
    stored, comparison = found
    runs = dict(sorted(stored.runs.items(), key=lambda run: run[0] != "modes"))
    return Page(report.write(stored, runs, comparison, folder / "page.html", **options))


# --- packing ------------------------------------------------------------------------------------


def kinds_of_frames() -> dict[str, np.ndarray]:
    """Frames that each pack best in another way."""
    random = np.random.default_rng(5)
    x = np.linspace(0.0, 6.0, 96)
    few = random.choice([3, 250, 7], size=(6, 64, 96), p=[0.8, 0.1, 0.1])
    still = np.repeat(random.integers(0, 256, (1, 64, 96)), 6, axis=0)
    wave = 127 + 100 * np.sin(
        40 * x[None, None, :] + np.arange(6)[:, None, None] + 0 * x[:64, None]
    )
    slope = 37 * np.arange(6)[:, None, None] ** 2 + 11 * np.arange(64)[:, None] ** 2 + np.arange(96)
    return {"plain": few, "in time": still, "along": slope, "waves": wave}


@pytest.mark.parametrize("kind", ["plain", "in time", "along", "waves"])
def test_frames_come_out_of_their_text_to_the_last_bit(kind: str) -> None:
    frames = (kinds_of_frames()[kind].astype(int) % 256).astype(np.uint8)
    packer = Packer()
    for frame in frames:
        packer.add(frame)
    packed = packer.packed()
    assert packed.way == kind or kind not in WAYS
    assert np.array_equal(unpacked(packed, frames.shape[1:]), frames)


# --- frames -------------------------------------------------------------------------------------


def test_every_frame_is_there_to_half_a_step_of_what_it_spans(opened: Open, tmp_path: Path) -> None:
    fading = np.array([1.0, 0.1, 1e-3]).reshape(-1, 1, 1)
    frames = [fading * random_fields(3, seed=seed) for seed in (1, 2)]
    page = written(opened({"modes": frames[0], "ftcs": frames[1]}), tmp_path)
    assert page.data["limits"] == [frames[0].min(), frames[0].max()]
    for place, u in enumerate(frames):
        spans = np.array(page.data["runs"][place]["spans"])
        assert np.array_equal(spans, [(one.min(), one.max()) for one in u])
        step = np.diff(spans)[:, :, None, None] / 254.0
        apart = np.abs(page.fields(place) - u[:, None])
        assert np.all(apart <= 0.5 * step * (1 + 1e-9))


def test_small_differences_have_a_scale_of_their_own_in_every_frame(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields()
    off = random_fields(seed=2) * np.array([1e-3, 1e-9, 0.0, 1e-6]).reshape(-1, 1, 1)
    page = written(opened({"modes": u, "ftcs": u + off}), tmp_path)
    true = (u + off - u)[:, None]
    scales = np.array(page.data["runs"][1]["scales"])
    assert np.allclose(scales, np.abs(true).max(axis=(1, 2, 3)), rtol=1e-12, atol=0)
    apart = np.abs(page.differences(1) - true)
    assert np.all(apart <= 0.5 * (1 + 1e-9) * scales.reshape(-1, 1, 1, 1) / 127.0)


def test_a_reference_and_a_run_that_is_the_same_keep_no_differences(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields()
    page = written(opened({"modes": u, "twin": u}), tmp_path)
    assert [run["apart"] for run in page.data["runs"]] == [None, None]
    assert page.data["runs"][1]["scales"] == [0.0] * 4


def test_the_scale_is_that_of_the_reference_and_the_page_says_that_the_rest_is_clipped(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields()
    page = written(opened({"modes": u, "wild": 3.0 * u - 1.0}), tmp_path)
    assert page.data["limits"] == [u.min(), u.max()]
    assert "What is below and above that scale has the colour of its end; numbers" in page.text
    assert np.allclose(page.fields(1)[:, 0], 3.0 * u - 1.0, rtol=0, atol=0.51 * 3.0 / 254)


def test_three_channels_are_a_picture_in_colours_whose_differences_cannot_cancel(
    tmp_path: Path,
) -> None:
    u = random_fields(2, (3, 8, 6))
    off = 0.01 * np.array([1.0, -1.0, 0.0]).reshape(3, 1, 1) * np.ones((2, 3, 8, 6))
    with store.load(in_colours(tmp_path / "run", {"modes": u, "ftcs": u + off})) as stored:
        page = written((stored, compare_stored([stored])), tmp_path)
    assert page.data["planes"] == 3
    assert np.allclose(page.fields(0), u, rtol=0, atol=0.51 / 254)
    assert page.data["limits"] == [u[0].min(), u[0].max()]
    assert page.data["one"] == "concentration, mean over channels"
    assert np.allclose(page.differences(1), 0.02 / 3, rtol=1e-9, atol=0)


def in_colours(folder: Path, runs: dict[str, np.ndarray]) -> Path:
    times = np.arange(2) * 3600.0
    with store.Folder.open(folder, "d") as out:
        for label, frames in runs.items():
            for u in frames:
                out.journal(label).append({"concentration": u}, {}, {})
        facts = {label: {"limit": "lattice", "channels": 3} for label in runs}
        extra = {"channels": ["red", "green", "blue"]}
        plain = header((8, 6), times, reference="modes", extra=extra)
        return out.publish(plain, facts)


def test_of_a_wave_the_size_of_its_amplitude_is_shown(opened: Open, tmp_path: Path) -> None:
    u = random_fields()
    wave = {"propagator": {"kind": "schroedinger"}}
    page = written(opened({"modes": u}, scenario=wave, unit="1/m^2"), tmp_path)
    assert (page.data["name"], page.data["unit"]) == ("root of concentration", "1/m")
    assert np.allclose(page.fields(0)[:, 0], np.sqrt(u), rtol=0, atol=0.51 / 254)


def test_in_one_dimension_a_start_in_a_few_cells_leaves_the_scale_to_what_becomes_of_it(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields(4, (30,))
    u[0] *= 100.0
    page = written(opened({"modes": u}, size=(0.3,)), tmp_path)
    assert page.data["limits"][1] == u[1:].max()
    assert "time upwards, frame by frame" in page.text


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_a_field_that_is_the_same_everywhere_has_a_scale_round_it(
    opened: Open, tmp_path: Path, value: float
) -> None:
    page = written(opened({"modes": np.full((1, 5, 4), value)}), tmp_path)
    low, high = page.data["limits"]
    assert low < value < high
    assert np.all(page.fields(0) == value)


# --- sizes --------------------------------------------------------------------------------------


def test_a_page_that_would_be_too_large_keeps_every_kth_frame_and_says_so(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields(25, (64, 64))
    found = opened({"modes": u, "ftcs": random_fields(25, (64, 64), seed=2)})
    whole, page = written(found, tmp_path), written(found, tmp_path, largest=280_000)
    assert len(whole.data["times"]) == 25
    kept = len(page.data["times"])
    every = -(-24 // (kept - 1))
    assert 2 < kept < 25
    assert f"It has {kept} of 25 frames" in page.text.replace("To keep the page small it", "It")
    assert f"every {every}" in page.text
    chosen = sorted({*range(0, 25, every), 24})
    step = np.ptp(u) / 254
    assert np.allclose(page.fields(0)[:, 0], u[chosen], rtol=0, atol=0.51 * step)
    frames = sum(len(text) for name, text in page.scripts().items() if "-" in name)
    assert frames <= 140_000


def test_where_two_frames_are_too_large_cells_are_put_together_and_the_page_says_so(
    opened: Open, tmp_path: Path
) -> None:
    u = random_fields(3, (64, 50))
    stored, comparison = opened({"modes": u})
    found = levels(stored, stored.runs, comparison, budget=5000)
    assert found.numbers == [0, 2]
    assert found.shape == (32, 25)
    kept = " ".join(words.kept(stored, found, comparison))
    assert "2 of 3 frames, two, the first and the last" in kept
    assert "means over blocks of cells, 32 × 25 of them" in kept


def test_means_of_blocks_keep_the_mean_and_a_smaller_last_block() -> None:
    u = np.arange(14.0).reshape(2, 7)
    assert np.array_equal(coarse(u, 4, first=1), [[0.5, 2.5, 4.5, 6.0], [7.5, 9.5, 11.5, 13.0]])


def test_frames_are_read_one_at_a_time() -> None:
    class Made:
        def __getitem__(self, number: int) -> np.ndarray:
            return np.full((512, 512), float(number))

    facts = {"limit": "lattice"}
    run = SimpleNamespace(label="modes", facts=facts, frames=Made(), counts=None, arrays={})
    plain = header((512, 512), np.arange(60.0))
    rows = compare([row_run("modes", 60)], np.arange(60.0)).rows
    comparison = Comparison("", list(range(60)), rows, "modes")
    tracemalloc.start()
    levels(plain, {"modes": run}, comparison, budget=10**7)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A frame takes 2 MiB, all of them 120.
    assert peak < 12 * 2**21


def row_run(label: str, count: int) -> Any:
    return SimpleNamespace(label=label, facts={"limit": "lattice"}, counts=None, accounts=None,
                           arrays={}, frames=np.ones((count, 2, 2)))  # fmt: skip


# --- the page -----------------------------------------------------------------------------------


def test_a_page_is_well_formed_and_everything_seen_has_words(
    two: tuple[store.Stored, Comparison], tmp_path: Path
) -> None:
    page = written(two, tmp_path, notes=["a note"])
    assert page.wrong == []
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert all(str(attributes.get("alt")).strip() for attributes in images)
    assert page.source.startswith("<!doctype html>")
    assert "a note." in page.text


def test_nothing_that_a_user_wrote_becomes_part_of_the_page(opened: Open, tmp_path: Path) -> None:
    label = "<b>&amp;<i>"
    texts = {"title": HOSTILE, "unit": HOSTILE, "digest": HOSTILE, "name": HOSTILE,
             "versions": {HOSTILE: HOSTILE}, "axes": ("x", HOSTILE),
             "resolved": '{"title": "</script><script>alert(1)</script>"}'}  # fmt: skip
    calm = named(opened, tmp_path / "calm.html", "ftcs", "calm", versions={"a": "1"})
    page = named(opened, tmp_path / "page.html", label, HOSTILE, **texts)
    assert page.wrong == []
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in calm.elements]
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert page.data["runs"][1]["label"] == label
    assert page.data["unit"] == HOSTILE
    assert not set("<>&") & set(page.scripts()["data"])
    assert page.inside["h1"] == [HOSTILE]
    assert page.inside["title"] == [HOSTILE]
    assert HOSTILE in page.inside["pre"][0]


def named(opened: Open, path: Path, label: str, text: str, **texts: Any) -> Page:
    """Write a page of two runs with a label, a note and a figure of such names."""
    u = random_fields()
    stored, _ = opened({"modes": u, "ftcs": u + 1e-6})
    runs = {"modes": stored.runs["modes"], label: replace(stored.runs["ftcs"], label=label)}
    comparison = compare(list(runs.values()), stored.times)
    plain = replace(header(u.shape[1:], stored.times, **texts), scenario=text)
    figures = {text: picture()}
    return Page(report.write(plain, runs, comparison, path, figures=figures, notes=[text]))


def test_the_policy_lets_one_script_and_one_style_be_used_and_nothing_be_fetched(
    two: tuple[store.Stored, Comparison], tmp_path: Path
) -> None:
    page = written(two, tmp_path)
    (policy,) = [str(a["content"]) for _, a in page.elements if "http-equiv" in a]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashed = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("script", page.scripts()[""]), ("style", page.inside["style"][0]))
    }
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "style-src": f"'sha256-{hashed['style']}'",
        "script-src": f"'sha256-{hashed['script']}'", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip


def test_a_page_refers_to_nothing_outside_itself(
    two: tuple[store.Stored, Comparison], tmp_path: Path
) -> None:
    figures = {"fields": picture()}
    page = written(two, tmp_path, figures=figures)
    places = [value for name in ("src", "href", "action", "data", "srcset", "poster")
              for value in page.attributes(name)]  # fmt: skip
    assert len(places) == 1
    assert all(value.startswith("data:image/") for value in places)
    assert not re.search(r"url\(|@import", page.inside["style"][0])
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    fetching = r"\bfetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon|EventSource"
    assert not re.search(fetching, page.scripts()[""])


def test_the_same_run_gives_the_same_bytes(
    two: tuple[store.Stored, Comparison], tmp_path: Path
) -> None:
    first = written(two, tmp_path, parts={"start": 1.5}).source
    assert written(two, tmp_path, parts={"start": 1.5}).source == first


def test_without_the_script_tables_figures_and_texts_are_there(
    two: tuple[store.Stored, Comparison], tmp_path: Path
) -> None:
    page = written(two, tmp_path, figures={"fields": picture()}, parts={"modes": 0.25})
    stored, comparison = two
    for said in (
        "A title", "Concentration (g/L) on 12 × 4 cells (30 cm × 10 cm), from 0 s to 3 h in 4",
        "need JavaScript, which is switched off", "diffusim show run.hdf5",
        "diffusim compare run.hdf5 --report page.html", "modes 0.25 s",
        "The fields of all runs at a few moments, on one scale.",
        words.number(comparison["ftcs"].l2), words.verdict(comparison),
    ):  # fmt: skip
        assert said in page.text
    hidden = [a.get("id") for _, a in page.elements if "hidden" in a]
    assert hidden == ["trouble", "live"]


# --- files --------------------------------------------------------------------------------------


def test_only_a_report_is_replaced(two: tuple[store.Stored, Comparison], tmp_path: Path) -> None:
    written(two, tmp_path)
    written(two, tmp_path)
    (tmp_path / "page.html").write_text("<p>mine</p>", encoding="utf-8")
    with pytest.raises(Invalid, match="is here already and is no report of diffusim"):
        written(two, tmp_path)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "<p>mine</p>"
    with pytest.raises(Invalid, match="call it 'page.html'"):
        report.must_be_free(tmp_path / "page.txt")


def test_the_command_line_writes_reports_and_leaves_them_away(tmp_path: Path) -> None:
    source = tmp_path / "small.yaml"
    source.write_text(
        "title: Small\ngrid: {shape: [8, 6], size: [8 m, 6 m]}\n"
        "propagator: {kind: diffusion, diffusivity: 1 m^2/s}\n"
        "initial: {kind: halves, axis: x, values: [1.0, 0.0]}\n"
        "times: {stop: 2 s, frames: 3}\nmethods: [ftcs, modes]\nreference: modes\n",
        encoding="utf-8",
    )
    plain, drawn, page = (tmp_path / name for name in ("plain", "drawn", "page.html"))
    diffusim("run", source, "--out", plain, "--no-figures", "-q")
    assert not (plain / "small" / "report.html").exists()
    done = diffusim("run", source, "--out", drawn, "-q")
    assert re.search(r"figures \d+\.\d+, report \d+\.\d+", done.err)
    found = Page(drawn / "small" / "report.html")
    assert found.wrong == []
    assert "How the total changed" in found.text
    result = drawn / "small" / "run.hdf5"
    assert diffusim("compare", result, "--report", page).code == 0
    assert Page(page).data["runs"] == found.data["runs"]
    page.write_text("mine", encoding="utf-8")
    refused = diffusim("compare", result, "--report", page)
    assert refused.code == 2
    assert "is no report of diffusim" in refused.err
