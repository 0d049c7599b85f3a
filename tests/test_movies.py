"""Movies: every frame in its colours, upright, at its time; nothing of others is lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib import colormaps
from PIL import Image
from plot_samples import header, publish, random_fields

from diffusim import store, style
from diffusim.block import Invalid, Unsupported
from diffusim.cli import main
from diffusim.pictures import film
from diffusim.plots import movies
from diffusim.plots.movies import TITLE, draw_movie


def frames_of(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Return the pictures of a movie and how long each is shown in ms."""
    with Image.open(path) as image:
        found, times = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
            times.append(image.info["duration"])
    return found, times


def stage_of(path: Path, method: str | None = None) -> tuple[list[np.ndarray], Any]:
    """Return the pictures of a result before they are packed, and where the fields are."""
    with store.load(path) as stored, style.applied():
        runs = movies._chosen(stored, method)
        stage = (movies._lines if len(stored.shape) == 1 else movies._maps)(stored, runs)
        return [stage.picture(k) for k in range(len(stored.times))], stage


@pytest.fixture
def made(tmp_path: Path) -> Path:
    runs = {"modes": random_fields(5, (6, 3)), "ftcs": random_fields(5, (6, 3), 2)}
    return publish(tmp_path / "run", runs, size=(0.06, 0.03))


# --- what is seen -------------------------------------------------------------------------------


def test_every_cell_is_seen_in_its_colour_at_its_place_in_every_frame(made: Path) -> None:
    found, stage = stage_of(made)
    runs = {"modes": random_fields(5, (6, 3)), "ftcs": random_fields(5, (6, 3), 2)}
    low, high = runs["modes"].min(), runs["modes"].max()
    for slot, frames in zip(stage.slots, runs.values(), strict=True):
        left, top, right, bottom = slot
        for picture, u in zip(found, frames, strict=True):
            across, down = np.meshgrid(range(6), range(3), indexing="ij")
            columns = (left + (across + 0.5) * (right - left) / 6).astype(int)
            rows = (bottom - (down + 0.5) * (bottom - top) / 3).astype(int)
            share = np.clip((u - low) / (high - low), 0.0, 1.0)
            wanted = colormaps["viridis"](share)[..., :3] * 255.0
            assert np.max(np.abs(picture[rows, columns] - wanted)) <= 1.0


def test_the_time_is_told_above_every_frame(made: Path) -> None:
    found, stage = stage_of(made)
    assert [stage.words(k) for k in range(3)] == [
        "A title\nt = 0", "A title\nt = 1 h", "A title\nt = 2 h",
    ]  # fmt: skip
    top = min(slot[1] for slot in stage.slots) // 2
    assert not np.array_equal(found[1][:top], found[2][:top])
    # All that stands still does so.
    left = stage.slots[0][0] - 3
    assert np.array_equal(found[1][top:, :left], found[2][top:, :left])


def test_one_run_alone_is_shown_larger(made: Path) -> None:
    _, both = stage_of(made)
    _, alone = stage_of(made, "ftcs")
    wide = [stage.slots[0][2] - stage.slots[0][0] for stage in (both, alone)]
    assert len(alone.slots) == 1
    assert wide[1] > 1.3 * wide[0]


def test_three_channels_are_shown_in_colours(tmp_path: Path) -> None:
    u = random_fields(6, (4, 4)).reshape(2, 3, 4, 4)
    head = {"extra": {"channels": ["red", "green", "blue"]}}
    with store.Folder.open(tmp_path / "rgb", "d") as out:
        for frame in u:
            out.journal("modes").append({"concentration": frame}, {}, {})
        times = np.array([0.0, 60.0])
        given = header((4, 4), times, size=(0.1, 0.1), reference="modes", **head)
        path = out.publish(given, {"modes": {"limit": "lattice", "channels": 3}})
    found, stage = stage_of(path)
    left, top, right, bottom = stage.slots[0]
    corner = found[0][top + (bottom - top) // 8, left + (right - left) // 8]
    low, high = u[0].min(), u[0].max()
    assert np.max(np.abs(corner - 255.0 * (u[0][:, 0, 3] - low) / (high - low))) <= 1.0


def test_on_a_line_the_curve_moves(tmp_path: Path) -> None:
    path = publish(tmp_path / "run", {"modes": random_fields(3, (30,))}, size=(0.3,))
    with store.load(path) as stored, style.applied():
        stage = movies._lines(stored, list(stored.runs.values()))
        found = [stage.picture(k) for k in range(3)]
        curves = [stage.actors(k)[0][1].get_ydata() for k in range(3)]
    assert np.array_equal(curves, random_fields(3, (30,)))
    assert len({picture.tobytes() for picture in found}) == 3


def test_walls_vanish_when_they_open_and_come_back_when_they_close(tmp_path: Path) -> None:
    wall = {"axis": "x", "at": 0.03, "opens": 3600.0, "closes": 2.5 * 3600.0}
    scenario = {"grid": {"shape": [6, 3], "size": [0.06, 0.03]},
                "propagator": {"kind": "diffusion", "walls": [wall]}}  # fmt: skip
    path = publish(tmp_path / "run", {"modes": np.zeros((4, 6, 3))}, size=(0.06, 0.03),
                   scenario=scenario)  # fmt: skip
    found, stage = stage_of(path)
    left, top, right, bottom = stage.slots[0]
    inside = [picture[top + 9 : bottom - 9, left + 9 : right - 9] for picture in found]
    assert [len(np.unique(one.reshape(-1, 3), axis=0)) > 1 for one in inside] == [
        True, False, False, True,
    ]  # fmt: skip
    middle = inside[0].shape[1] // 2
    there = np.ptp(inside[0].astype(int).sum(axis=-1), axis=0) + np.abs(
        inside[0].astype(int).sum(axis=-1) - inside[0][0, 0].astype(int).sum()
    ).max(axis=0)
    assert abs(np.flatnonzero(there).mean() - middle) < 3.0


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".webp", ".gif"])
def test_a_movie_has_all_frames_lasts_as_long_as_asked_and_holds_the_last(
    made: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "new" / f"movie{kind}"
    drawn = draw_movie(made, out, seconds=2.0)
    assert drawn == (out, 5, 1)
    pictures, times = frames_of(out)
    assert times == [400, 400, 400, 400, 1900]
    raw, _ = stage_of(made)
    for picture, wanted in zip(pictures, raw, strict=True):
        assert picture.shape == wanted.shape
        assert np.mean(np.abs(picture.astype(int) - wanted)) < 4.0
    assert [n % 2 for n in pictures[0].shape[:2]] == [0, 0]


def test_a_movie_of_ours_is_drawn_again_and_nothing_else_is_lost(
    made: Path, tmp_path: Path
) -> None:
    for kind in (".webp", ".gif"):
        out = tmp_path / f"movie{kind}"
        draw_movie(made, out)
        first = out.read_bytes()
        draw_movie(made, out)
        assert out.read_bytes() == first
        other = film([np.zeros((4, 4, 3), np.uint8)] * 2, 0.1, 0.0, kind, "Holidays")
        for there in (b"", b"text", TITLE.encode(), other):
            out.write_bytes(there)
            with pytest.raises(Invalid, match="is here already and is no movie of diffusim show"):
                draw_movie(made, out)
            assert out.read_bytes() == there


@pytest.mark.parametrize(
    ("options", "words"),
    [({"out": "movie.avi"}, "call it 'movie.webp'"),
     ({"method": "ftc"}, "did you mean 'ftcs'"),
     ({"rate": 0.0}, "out of range, 0.1 to 50"),
     ({"rate": 51.0}, "out of range, 0.1 to 50"),
     ({"rate": 2.0, "seconds": 2.0}, "either"),
     ({"seconds": 0.0}, "longer than 0 s")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_in_a_sentence(
    made: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    out = tmp_path / options.pop("out", "movie.webp")
    with pytest.raises(Invalid, match=words):
        draw_movie(made, out, **options)
    assert not out.exists()


def test_one_frame_is_no_movie(tmp_path: Path) -> None:
    path = publish(tmp_path / "run", {"modes": random_fields(1)})
    with pytest.raises(Unsupported, match="one frame only"):
        draw_movie(path, tmp_path / "movie.webp")


def test_of_more_frames_than_fit_every_second_is_shown_and_the_last(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width, _ = stage_of(made)[0][0].shape
    monkeypatch.setattr(movies, "MOST_BYTES", 3 * 3 * height * width)
    drawn = draw_movie(made, tmp_path / "movie.webp", method=None)
    assert (drawn.pictures, drawn.every) == (3, 2)


# --- ffmpeg -------------------------------------------------------------------------------------

# Writes what it was told and how many bytes came through the pipe.
SPY = """#!/bin/sh
for last; do :; done
bytes=$(wc -c)
printf '....ftyp%s %s' "$bytes" "$*" > "$last"
"""


def program(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / "ffmpeg"
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_ffmpeg_an_mp4_file_is_refused_with_what_would_work(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="ffmpeg, which is not on the PATH; 'm.webp' and 'm.gif'"):
        draw_movie(made, tmp_path / "m.mp4")


def test_ffmpeg_gets_all_pictures_through_a_pipe_in_colours_that_all_players_know(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", SPY)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    out = tmp_path / "movie.mp4"
    for _ in range(2):  # the second time in place of the first
        draw_movie(made, out, rate=4.0)
    raw, _ = stage_of(made)
    height, width, _ = raw[0].shape
    told = out.read_text()
    assert told.startswith(f"....ftyp{(5 + 6) * 3 * height * width} ")
    assert f"-s {width}x{height} -r 4 " in told
    assert "-pix_fmt yuv420p" in told
    assert TITLE in told


def test_what_ffmpeg_refuses_is_said(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "#!/bin/sh\ncat > /dev/null\necho 'no encoder' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Invalid, match="ffmpeg refuses: no encoder"):
        draw_movie(made, tmp_path / "movie.mp4")


# --- the command --------------------------------------------------------------------------------


def test_show_draws_movies_and_single_figures_and_lists_them(made: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "m.webp", tmp_path / "pictures"
    done = CliRunner().invoke(main, ["show", str(made), "--movie", str(out), "--fps", "5"])
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    call = ["show", str(made), "--out", str(folder), "--only", "fields", "--only", "spread"]
    done = CliRunner().invoke(main, call)
    assert (done.exit_code, done.stdout) == (0, f"{folder / 'fields.png'}\n")
    assert "there is nothing to show as 'spread'" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--fps", "3"],
        ["--movie", "m.webp", "--only", "fields"],
        ["--movie", "m.webp", "--out", "x"],
    ],
)
def test_options_that_mean_nothing_together_are_refused(made: Path, options: list[str]) -> None:
    assert CliRunner().invoke(main, ["show", str(made), *options]).exit_code == 2
