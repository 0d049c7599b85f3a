"""The field in a terminal while it is computed: upright, in shape, and gone without a trace."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffusim import conduct, experiment, live, store
from diffusim.live import View, colours_of, lines
from diffusim.thumbnails import coloured

CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(text: str) -> str:
    return CODE.sub("", text)


def pixels(text: list[str]) -> np.ndarray:
    """Return the colours that lines of half blocks show, from the top down."""
    rows = []
    for line in text:
        upper, lower, codes = [], [], [0, 0, 0, 0, 0, 0]
        for found in re.finditer(r"\x1b\[38;2;([0-9;]+)m|▀", line):
            if found.group(1):
                numbers = [int(n) for n in found.group(1).split(";")]
                codes = numbers[:3] + numbers[5:]
            else:
                upper.append(codes[:3])
                lower.append(codes[3:])
        rows += [upper, lower]
    return np.array(rows)


# --- lines of text ------------------------------------------------------------------------------


def test_x_runs_to_the_right_and_y_upwards() -> None:
    u = np.random.default_rng(3).random((6, 4))
    shown = pixels(lines(u, 6, 2))
    share = (u - u.min()) / (u.max() - u.min())
    assert np.array_equal(shown, coloured(share).transpose(1, 0, 2)[::-1])


def test_without_colours_a_letter_is_as_high_as_two_cells() -> None:
    u = np.zeros((8, 8))
    u[6:, 6:] = 1.0
    assert lines(u, 8, 4, "none") == ["      @@", " " * 8, " " * 8, " " * 8]


def test_256_colours_are_those_of_the_cube() -> None:
    (line,) = lines(np.array([[1.0, 1.0], [0.0, 0.0]]), 2, 1, "256")
    assert re.findall(r"\x1b\[38;5;(\d+);48;5;(\d+)m", line) == [("220", "220"), ("53", "53")]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((64, 64), (60, 60)), ((256, 64), (96, 24)), ((64, 256), (15, 60)), ((8, 8), (32, 32)),
     ((1000, 2), (96, 2))],
)  # fmt: skip
def test_a_picture_keeps_its_shape_within_its_room(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    found = lines(np.random.default_rng(1).random(shape), 200, 200)
    assert pixels(found).shape[:2] == size[::-1]


def test_a_constant_field_has_one_colour_and_no_number_is_seen() -> None:
    assert len(np.unique(pixels(lines(np.full((4, 4), 35.0), 8, 4)).reshape(-1, 3), axis=0)) == 1
    u = np.zeros((4, 4))
    u[0, 0] = np.nan
    assert lines(u, 4, 2, "none")[-1][0] == live.MISSING
    assert [160, 160, 160] in pixels(lines(u, 4, 2)).reshape(-1, 3).tolist()
    assert set("".join(lines(np.full((3, 3), np.nan), 3, 3, "none"))) == {live.MISSING}


def test_a_line_is_a_curve_of_bars() -> None:
    found = lines(np.linspace(0.0, 1.0, 25), 25, 3)
    assert len(found) == 3
    heights = [sum(live.BLOCKS.index(row[k]) for row in found) for k in range(25)]
    assert heights == list(range(25))


def test_three_channels_are_seen_in_their_colours_and_two_by_their_mean() -> None:
    u = np.random.default_rng(2).random((3, 4, 4))
    share = (u - u.min()) / (u.max() - u.min())
    wanted = np.rint(255.0 * share).transpose(2, 1, 0)[::-1]
    assert np.array_equal(pixels(lines(u, 4, 2, "true", 3)), wanted)
    assert lines(u[:2], 4, 2, "true", 2) == lines(u[:2].mean(axis=0), 4, 2)


def test_colours_are_those_that_the_terminal_says_it_has() -> None:
    assert colours_of({"TERM": "xterm", "COLORTERM": "truecolor"}) == "true"
    assert colours_of({"TERM": "xterm-256color"}) == "256"
    assert colours_of({"COLORTERM": "truecolor", "NO_COLOR": "1"}) == "none"
    assert colours_of({"TERM": "dumb", "COLORTERM": "truecolor"}) == "none"


# --- the view -----------------------------------------------------------------------------------


def screen(text: str) -> list[str]:
    """Return what is left on a terminal that such text was written to."""
    rows, row = [""], 0
    for part in re.split(r"(\x1b\[\d*[A-Za-z]|\x1b\[[0-9;?]*[A-Za-z]|\n|\r)", text):
        if part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row -= int(up.group(1))
            assert row >= 0
        elif part == live.ERASE_BELOW:
            rows = [*rows[:row], ""]
        elif not CODE.fullmatch(part) and part != "\r":
            rows[row] += part
    return [line for line in rows if line]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE", 0.0)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.usefixtures("fast")
def test_each_frame_takes_the_place_of_the_one_before_and_notes_stay() -> None:
    stream = io.StringIO()
    with View("g/L", "seconds", stream=stream) as view:
        view.stage("ftcs")(0.5)
        view.frame("ftcs", 7200.0, np.eye(8) * 35.0)
        view.note("a remark")
        view.frame("ftcs", 10800.0, np.eye(8) * 30.0)
        seen = screen(stream.getvalue())
        assert seen[0] == "a remark"
        assert seen[1] == "ftcs 50 %   ftcs, t = 3 h, from 0 to 30 g/L"
        assert len(seen) == 2 + 16
    assert screen(stream.getvalue()) == ["a remark"]


@pytest.mark.usefixtures("fast")
def test_the_cursor_is_shown_again_whatever_happens() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with View("1", "applications", stream=stream) as view:
            view.frame("stencil", 3.0, np.eye(4))
            assert "stencil, n = 3, from 0 to 1\n" in stream.getvalue()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().startswith(live.HIDE)
    assert stream.getvalue().endswith(live.SHOW)
    assert screen(stream.getvalue()) == []


def test_frames_that_come_fast_are_not_all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(live.clock, "perf_counter", lambda: now[0])
    stream = io.StringIO()
    with View("1", "seconds", stream=stream) as view:
        for step in range(100):
            now[0] = 0.01 * step
            view.frame("ftcs", 60.0 + step, np.eye(4))
    assert stream.getvalue().count("ftcs, t = ") == 5


@pytest.mark.usefixtures("fast")
def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = io.StringIO()
    with View("g/L", "seconds", stream=stream) as view:
        view.frame("a-method-with-a-long-name", 60.0, np.random.default_rng(1).random((200, 90)))
        assert max(map(len, screen(stream.getvalue()))) <= 29


class Listener(conduct.Silent):
    """A reporter that keeps what it is told of frames."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, Any]] = []

    def frame(self, name: str, time: float, field: Any) -> None:
        self.told.append((name, time, np.array(field)))


SCENARIO = """
grid: {shape: [8, 8], size: [8 mm, 8 mm]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: halves, axis: x, values: [1.0, 0.0]}
times: {stop: 1 h, frames: 3}
methods: [modes, ftcs]
reference: modes
"""


def test_every_frame_of_every_method_is_told_as_it_is_stored(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(f"title: Small\n{SCENARIO}", encoding="utf-8")
    listener = Listener()
    ready = experiment.prepare(tmp_path / "small.yaml")
    outcome = conduct.carry_out(ready, tmp_path / "out", reporter=listener)
    with store.load(outcome.path) as stored:
        assert [told[:2] for told in listener.told] == [
            (name, time) for name in ("modes", "ftcs") for time in (0.0, 1800.0, 3600.0)
        ]
        for number, (name, _, u) in enumerate(listener.told):
            assert np.array_equal(u, stored.runs[name].frames[number % 3])


def test_off_a_terminal_the_run_goes_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(f"title: Small\n{SCENARIO}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "diffusim.cli", "run", "small.yaml", "--live", "--no-figures"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--live takes a terminal to draw on" in done.stderr
    assert "\x1b" not in done.stderr
