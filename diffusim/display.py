"""How results show themselves in a notebook: small HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Protocol

import numpy as np

from diffusim import thumbnails
from diffusim.atomic import StoreError
from diffusim.block import Array
from diffusim.quantities import moment, number

# Runs and facts that are shown of a result; the number of the others is told.
MOST_RUNS, MOST_FACTS = 4, 12
ALARM = "#B03A00"


class Frames(Protocol):
    """Fields by number, in memory or read from a file when asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, number: int, /) -> Array:
        """Return one of them."""


class Told(Protocol):
    """What is shown of a run."""

    @property
    def label(self) -> str:
        """Name of the run."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Kind, limit, options, steps and seconds."""

    @property
    def times(self) -> Array:
        """Times of the frames."""

    @property
    def frames(self) -> Frames:
        """The fields."""


def run_as_html(run: Told, clock: str = "") -> str:
    """Return a run as HTML: its label, three pictures, and its facts.

    Parameters
    ----------
    clock : {"", "seconds", "applications"}
        What times are counted in; they are shown as plain numbers where that is not known.
    """
    facts = {"frames": len(run.times), **run.facts}
    shown = [(name, _fact(value)) for name, value in facts.items() if _is_short(value)]
    more = f"<p>and {len(facts) - MOST_FACTS} facts more</p>" if len(facts) > MOST_FACTS else ""
    rows = "".join(_row([name, value]) for name, value in shown[:MOST_FACTS])
    return _page(run.label, f"{_strip([run], clock)}<table>{rows}</table>{more}")


def result_as_html(title: str, runs: Sequence[Told], clock: str, what: str) -> str:
    """Return a stored result as HTML: its title, pictures of its runs, and a table of them.

    Parameters
    ----------
    what : str
        Name and unit of the field, such as ``concentration (g/L)``.
    """
    heads = ["run", "kind", "limit", "frames", "steps", "seconds"]
    rows = [
        [run.label, *(_fact(run.facts.get(name, "")) for name in ("kind", "limit")),
         str(len(run.times)), *(_fact(run.facts.get(name, "")) for name in ("steps", "seconds"))]
        for run in runs
    ]  # fmt: skip
    try:
        pictures = _strip(runs, clock)
    except StoreError as problem:
        pictures = f"<p>{escape(str(problem))}</p>"  # its file is closed: the rest is known
    return _page(title, f"<p>{escape(what)}</p>{pictures}{_table(heads, rows)}")


def comparison_as_html(
    title: str, rows: Iterable[Any], unsound: Sequence[str], notes: Sequence[str] = ()
) -> str:
    """Return a comparison as HTML: a row for each run, what is unsound in a colour of alarm.

    Parameters
    ----------
    rows : iterable
        With the attributes of ``comparison.Row``.
    unsound : sequence of str
        The verdicts that are shown so.
    notes : sequence of str
        What belongs below the table.
    """
    heads = ["run", "against", "relative L2 error", "at worst", "expected", "mass drift",
             "seconds", "verdict"]  # fmt: skip
    cells, alarms = [], []
    for row in rows:
        reason = f" ({row.reason})" if row.reason else ""
        alarms.append(row.verdict in unsound)
        cells.append([
            row.label, row.reference, _fact(row.l2), _fact(row.worst_l2), _fact(row.expected),
            _fact(row.mass_drift), _fact(row.seconds), f"{row.verdict}{reason}",
        ])  # fmt: skip
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return _page(title, _table(heads, cells, alarms) + below)


# --- pieces -------------------------------------------------------------------------------------


def _page(title: str, body: str) -> str:
    return f"<div><p><strong>{escape(title)}</strong></p>{body}</div>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], alarms: Sequence[bool] = ()) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    marks = [*alarms, *[False] * (len(rows) - len(alarms))]
    lines = "".join(_row(cells, alarm) for cells, alarm in zip(rows, marks, strict=True))
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def _row(cells: Sequence[str], alarm: bool = False) -> str:
    look = f' style="color: {ALARM}"' if alarm else ""
    return f"<tr{look}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _is_short(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | np.number) or value is None


def _fact(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | np.integer):
        return f"{int(value)}"
    return number(float(value))


def _strip(runs: Sequence[Told], clock: str) -> str:
    """Pictures of the first, the middle and the last frame of some runs, on one scale."""
    shown = [run for run in runs if len(run.times)][:MOST_RUNS]
    pictures = {run.label: list(_first_middle_last(run)) for run in shown}
    fields = [u for of_run in pictures.values() for _, u in of_run]
    if not fields:
        return ""
    ends = [thumbnails.limits(u) for u in fields]
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    lines = []
    for run in shown:
        many = int(run.facts.get("channels", 0))
        cells = "".join(
            f"<td>{_image(thumbnails.picture(u, (low, high), many), f'{run.label}, {words}')}"
            f"<br>{escape(words)}</td>"
            for words, u in ((_moment(time, clock), u) for time, u in pictures[run.label])
        )
        lines.append(f"<tr><th>{escape(run.label)}</th>{cells}</tr>")
    left = len(runs) - len(shown)
    more = f"; pictures of {left} runs more are left out" if left else ""
    words = f"dark {_plain(low)}, bright {_plain(high)}{more}"
    return f"<table>{''.join(lines)}</table><p>{escape(words)}</p>"


def _first_middle_last(run: Told) -> Iterator[tuple[float, Array]]:
    last = len(run.times) - 1
    for place in sorted({0, last // 2, last}):
        u = np.asarray(run.frames[place])
        yield float(run.times[place]), np.abs(u) if np.iscomplexobj(u) else u.astype(float)


def _moment(time: float, clock: str) -> str:
    return moment(time, clock) if clock else f"t = {time:.6g}"


def _plain(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "nothing"


def _image(pixels: Array, words: str) -> str:
    """A picture within the HTML itself, small ones enlarged cell by cell."""
    data = base64.b64encode(thumbnails.png(pixels)).decode("ascii")
    height, width = pixels.shape[:2]
    scale = max(1, thumbnails.LONGEST // (2 * max(height, width)) * 2)
    look = f"width: {width * scale}px; image-rendering: pixelated"
    return f'<img alt="{escape(words)}" style="{look}" src="data:image/png;base64,{data}">'
