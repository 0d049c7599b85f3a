"""Results of several channels: stored, gone on with, compared, and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from channel_samples import GRID, counted, picture
from PIL import Image
from plot_samples import assert_legible, header, random_fields

import diffusim as ds
from diffusim import advice, plots, store
from diffusim.alignment import compare_stored
from diffusim.block import Array, Unsupported
from diffusim.conduct import carry_out
from diffusim.experiment import prepare
from diffusim.grid import Grid
from diffusim.reading import ScenarioError
from diffusim.resources import memory_needed, result_size

SCENARIO = """\
title: Three colours
grid: {shape: [12, 9], size: [0.012 m, 0.009 m]}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}
initial: {kind: image, path: colours.png, values: [0.0, 35.0], channels: rgb}
times: {stop: 20 min, frames: 5}
methods: [ftcs, {kind: walkers, particles: 20000}]
reference: modes
"""


def written(folder: Path) -> Path:
    picture(folder)
    path = folder / "colours.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[store.Stored]:
    folder = tmp_path_factory.mktemp("colours")
    with ds.run(written(folder), folder) as stored:
        yield stored


def published(
    folder: Path, runs: dict[str, Array], grid: Grid = GRID, counts: Array | None = None
) -> Path:
    """Publish runs, each an array (time, channel, x, y), counts being those of ``walkers``."""
    channels = next(iter(runs.values())).shape[1]
    facts: dict[str, dict[str, Any]] = {
        label: {"limit": "lattice", "channels": channels, "statistical": label == "walkers"}
        for label in runs
    }
    with store.Folder.open(folder, "d") as out:
        for label, frames in runs.items():
            for number, u in enumerate(frames):
                arrays = {"concentration": u}
                if counts is not None and label == "walkers":
                    arrays["counts"] = counts[number]
                out.journal(label).append(arrays, {}, {})
        times = 3600.0 * np.arange(len(frames))
        names = {"channels": [str(c + 1) for c in range(channels)]}
        found = header(grid.shape, times, size=grid.size, reference=next(iter(runs)), extra=names)
        return out.publish(found, facts)


# --- stored ---------------------------------------------------------------------------------------


def test_a_result_holds_channels_before_its_axes_with_a_scale_that_names_them(
    done: store.Stored,
) -> None:
    assert done.channels == ("red", "green", "blue")
    assert not store.verify(done.path)
    scale = done.file["channel"]
    assert scale[...].tolist() == [1, 2, 3]
    assert scale.attrs["flag_meanings"] == "red green blue"
    for label in ("ftcs", "walkers", "modes"):
        assert done.runs[label].frames.shape == (5, 3, 12, 9)
        assert done.runs[label].facts["channels"] == 3
    for data in (done.file["ftcs/concentration"], done.file["walkers/counts"]):
        assert [dim[0].name for dim in data.dims] == ["/time", "/channel", "/x", "/y"]
    with Image.open(Path(done.path).parents[1] / "colours.png") as image:
        red = np.asarray(image, dtype=float)[..., 0]
    corner = red[-2:, :2].mean() * 35.0 / 255.0
    assert done.runs["modes"].frames[0][0, 0, 0] == pytest.approx(corner, rel=1e-6)


def test_every_method_of_a_scenario_of_colours_is_as_predicted(done: store.Stored) -> None:
    table = compare_stored([done])
    verdicts = {row.label: row.verdict for row in table.rows}
    reference = table["walkers"].reference
    assert {verdicts["ftcs"], verdicts["walkers"]} == {"as predicted"}
    assert verdicts[reference] == "reference"
    assert max(row.mass_drift for row in table.rows) < 1e-13


class Stopped:
    """A reporter that stops a run at a part of one of its methods."""

    def __init__(self, label: str, part: float) -> None:
        self.label, self.part = label, part

    def frame(self, _name: str, _time: float, _field: np.ndarray) -> None:
        pass

    def stage(self, name: str) -> Callable[[float], None]:
        def tell(fraction: float) -> None:
            if name == self.label and fraction >= self.part:
                raise KeyboardInterrupt

        return tell

    def note(self, _text: str) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("label", "part"), [("walkers", 0.6), ("ftcs", 0.3)])
def test_a_run_that_was_stopped_amid_its_channels_goes_on_to_the_same_bits(
    done: store.Stored, tmp_path: Path, label: str, part: float
) -> None:
    source = written(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        carry_out(prepare(source), tmp_path, reporter=Stopped(label, part))
    kept = list((tmp_path / "colours" / "segments" / label).glob("checkpoint-*.hdf5"))
    assert kept
    carry_out(prepare(source), tmp_path, resume=True)
    with store.load(tmp_path / "colours" / store.RESULT) as stored:
        for name, run in done.runs.items():
            for kind, frames in run.arrays.items():
                assert np.array_equal(stored.runs[name].arrays[kind], frames)


def test_a_result_whose_channels_contradict_each_other_is_refused(tmp_path: Path) -> None:
    path = published(tmp_path / "a", {"modes": random_fields(2, (3, 12, 9))})
    for wrong in (2, 0):
        with h5py.File(path, "r+") as file:
            file["modes"].attrs["channels"] = wrong
        with pytest.raises(store.StoreError, match="other channels than it says itself"):
            store.load(path)
    with h5py.File(path, "r+") as file:
        file["modes"].attrs["channels"] = 4
        file.attrs["extra"] = json.dumps({"channels": ["1", "2", "3", "4"]})
    with pytest.raises(store.StoreError, match="does not fit its own axes"):
        store.load(path)


def test_results_of_other_channels_are_not_compared(tmp_path: Path) -> None:
    paths = [published(tmp_path / str(c), {"modes": random_fields(2, (c, 12, 9))}) for c in (2, 3)]
    with (
        store.load(paths[0]) as two,
        store.load(paths[1]) as three,
        pytest.raises(Unsupported, match="cannot be compared: they have 3 and 2 channels"),
    ):
        compare_stored([two, three])


def test_nothing_else_may_be_called_channel(tmp_path: Path) -> None:
    source = written(tmp_path)
    for change in ("field.name=channel", "methods.0={kind: ftcs, label: channel}"):
        with pytest.raises(ScenarioError, match="'channel' means something else in the result"):
            prepare(source, [change])


# --- told and shown -------------------------------------------------------------------------------


def test_check_tells_the_channels_and_what_they_take(tmp_path: Path) -> None:
    source = written(tmp_path)
    colours, grey = prepare(source), prepare(source, ["initial.channels=grey"])
    words = advice.advice(colours)
    assert "3 channels, each carried by itself: red, green, blue" in words
    assert "channels, each" not in advice.advice(grey)
    assert "steps in each channel" in words
    assert result_size(colours.courses) == 3 * result_size(grey.courses)
    for one, three in zip(grey.courses, colours.courses, strict=True):
        assert (one.seconds, one.steps) == (pytest.approx(three.seconds / 3), three.steps)
    large = ["grid.shape=[1024, 1024]", "times.frames=2"]
    sizes = [memory_needed(prepare(source, [*large, f"initial.channels={c}"]).courses)
             for c in ("grey", "rgb")]  # fmt: skip
    # Two more channels: a state of each for the three methods, frames, and what one holds amid.
    assert sizes[1] - sizes[0] > 2 * 3 * 8 * 2**20


def test_three_channels_are_shown_as_a_picture_in_its_own_colours(done: store.Stored) -> None:
    comparison = compare_stored([done])
    figure = plots.fields(done, comparison)
    first = done.runs["modes"].frames[0]
    low, high = float(first.min()), float(first.max())
    shown = figure.axes[0].images[0]
    expected = np.transpose((first - low) / (high - low), (2, 1, 0))
    np.testing.assert_allclose(shown.get_array(), expected, rtol=1e-12, atol=1e-15)
    assert shown.origin == "lower"
    assert len(figure.axes) == 3 * 5
    words = figure._suptitle.get_text()
    assert f"concentration as red, green, blue from {low:.4g} to {high:.4g} g/L" in words
    # The noise of particles goes beyond the start, on either side.
    assert "what is beyond is clipped" in words
    ends = [(float(i.get_array().min()), float(i.get_array().max()))
            for axes in figure.axes for i in axes.images]  # fmt: skip
    assert (min(low for low, _ in ends), max(high for _, high in ends)) == (0.0, 1.0)
    assert_legible(figure)


def test_errors_of_channels_cannot_hide_each_other(done: store.Stored) -> None:
    comparison = compare_stored([done])
    figure = plots.error(done, comparison)
    assert figure is not None
    number = int(np.argmax(comparison["ftcs"].series.l2))
    apart = done.runs["ftcs"].frames[number] - done.runs["modes"].frames[number]
    panels = [axes for axes in figure.axes if axes.images]
    of_ftcs = next(axes for axes in panels if axes.get_title().startswith("ftcs"))
    sizes = np.abs(apart).mean(axis=0).T
    np.testing.assert_allclose(of_ftcs.images[0].get_array(), sizes, rtol=1e-12, atol=0)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert any("mean size over channels" in label for label in labels)
    assert_legible(figure)


def test_curves_are_of_the_mean_over_channels_and_say_so(done: store.Stored) -> None:
    comparison = compare_stored([done])
    profile = plots.profile(done, comparison)
    assert "mean over channels" in profile._suptitle.get_text()
    drawn = profile.axes[-1].get_figure().axes[0].lines[0].get_ydata()
    assert np.array_equal(drawn, done.runs["modes"].frames[1].mean(axis=0)[:, 4])
    history = plots.history(done, comparison)
    assert [axes.get_ylabel() for axes in history.axes] == [
        "relative to the start, over all channels", "relative L2 norm, over all channels",
    ]  # fmt: skip
    assert_legible(profile)
    assert_legible(history)


def test_the_band_of_a_profile_holds_the_noise_of_the_mean_over_channels(
    done: store.Stored,
) -> None:
    figure = plots.profile(done, compare_stored([done]))
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    half = 0.5 * (band[:, 1].max() - band[:, 1].min())
    assert half > 0.0
    middle = [axes for axes in figure.axes if "chance" in axes.get_ylabel()]
    noise = middle[0].lines[0].get_ydata()
    wide = middle[0].collections[0].get_paths()[0].vertices[:, 1].max()
    # Of twelve places one or two lie outside two standard deviations.
    assert np.sum(np.abs(noise) > wide) <= 3
    assert np.sqrt(np.mean(noise**2)) > 0.2 * wide


@pytest.mark.parametrize(
    ("channels", "shape"), [(1, (12, 9)), (2, (12, 9)), (4, (12, 9)), (3, (12,))]
)
def test_other_numbers_of_channels_are_shown_by_their_mean(
    tmp_path: Path, channels: int, shape: tuple[int, ...]
) -> None:
    frames = random_fields(3, (channels, *shape))
    counts = counted(frames, 4000)
    noisy = counts * (frames.sum(axis=tuple(range(2, frames.ndim)), keepdims=True) / 4000)
    grid = Grid(shape=shape, size=tuple(0.01 * n for n in shape))
    runs = {"modes": frames, "b": frames + 0.01 * frames[::-1], "walkers": noisy}
    with store.load(published(tmp_path / "a", runs, grid, counts)) as stored:
        comparison = compare_stored([stored])
        figure = plots.fields(stored, comparison)
        plane = len(shape) == 2
        drawn = figure.axes[0].images[0] if plane else figure.axes[0].collections[0]
        means = frames.mean(axis=1)
        wanted = means[0].T if plane else means
        assert np.array_equal(np.asarray(drawn.get_array()).reshape(wanted.shape), wanted)
        named = figure.axes[-1].get_ylabel()
        assert ("mean over channels" in named) == (channels > 1)
        errors = plots.error(stored, comparison)
        assert errors is not None
        named = "".join(axes.get_ylabel() for axes in errors.axes).replace("\n", " ")
        assert ("mean size over channels" in named) == (channels > 1)
        if not plane:
            assert_legible(errors)
