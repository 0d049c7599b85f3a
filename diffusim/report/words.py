"""Sentences of a report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence

from diffusim import quantities, store, style
from diffusim.comparison import Comparison, Row
from diffusim.report.levels import FINE, STEPS, Levels
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, UNSOUND

MINUS = "\N{MINUS SIGN}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as people write it, 0.0231 or 3.2 × 10⁻⁷; nothing for None."""
    if value is None:
        return ""
    if math.isnan(value):
        return "not a number"
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    if value == 0.0 or 1e-3 <= abs(value) < 1e6:
        short = f"{value:.{digits}g}"
        return (short if "e" not in short else f"{value:.0f}").replace("-", MINUS)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa} × {style.power(int(exponent))}".replace("-", MINUS)


def with_unit(text: str, unit: str) -> str:
    """Return a number or a name with its unit, of which 1 is none."""
    shown = quantities.unit(unit)
    return f"{text} {shown}" if shown else text


def counted(count: int, word: str) -> str:
    """Return so many of something: 1 frame, 4 frames."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def cells(shape: Sequence[int]) -> str:
    """Return how many cells there are along each axis."""
    return f"{' × '.join(map(str, shape))} cell{'' if math.prod(shape) == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Return a list as a sentence has it: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def moment(header: store.Header, time: float) -> str:
    """Return a time in words."""
    if header.clock == "applications":
        return f"{time:.12g} application{'' if time == 1 else 's'}"
    return style.duration(time) if time else "0 s"


def along(axis: str, size: float) -> str:
    """Return a length along an axis, of a series a time, in the unit in which it is short."""
    per, unit = style.unit_along(axis, abs(size))
    return f"{number(size / per, 4)} {unit}"


def lead(header: store.Header, comparison: Comparison, labels: Sequence[str]) -> str:
    """Say what was run."""
    times = comparison.times
    field = header.name[:1].upper() + header.name[1:]
    unit = quantities.unit(header.unit)
    field += f" ({unit})" if unit else ""
    ends = [axis[-1] - axis[0] for axis in header.faces or ()]
    size = f" ({' × '.join(map(along, header.axes, ends))})" if ends else ""
    channels = f", channels {listed(header.channels)}," if header.channels else ""
    runs = f"{len(labels)} runs: {listed(labels)}" if len(labels) > 1 else labels[0]
    first, last = moment(header, times[0]), moment(header, times[-1])
    when = f"from {first} to {last} in {len(times)} frames"
    when = when if len(times) > 1 else f"in one frame at {first}"
    return f"{field}{channels} on {cells(header.shape)}{size}, {when}, by {runs}."


def verdict(comparison: Comparison) -> str:
    """Say in one sentence what the verdicts are together."""
    bad = [f"{row.label} ({wrong})" for row in comparison.rows if (wrong := _wrong(row))]
    if bad:
        return f"Not as predicted: {listed(bad)}."
    if not any(AS_PREDICTED in _verdicts(row) for row in comparison.rows):
        return "Nothing could be judged."
    open_ = [row.label for row in comparison.rows if row.verdict == NOT_JUDGED]
    return f"All as predicted; not judged: {listed(open_)}." if open_ else "All as predicted."


def _verdicts(row: Row) -> tuple[str, ...]:
    """What is said of a run, against the reference of its limit and another one."""
    return (row.verdict, row.gap.verdict) if row.gap else (row.verdict,)


def _wrong(row: Row) -> str:
    """What is wrong with a run, against the reference of its limit or another one."""
    if row.verdict in UNSOUND:
        return row.verdict
    if row.gap and row.gap.verdict in UNSOUND:
        return f"{row.gap.verdict} against {row.gap.reference}"
    return ""


def kept(header: store.Header, found: Levels, comparison: Comparison) -> Iterator[str]:
    """Say what of the stored frames the page shows, and how finely."""
    low, high = map(number, found.limits)
    high = with_unit(high, found.look.unit)
    yield (
        f"All maps share one scale, from {low} to {high}, unless each moment has its own; every "
        f"frame of a run is kept in {STEPS} steps of what it spans"
        + (f", where chance made it in {STEPS * FINE}" if any(r.fine for r in found.runs) else "")
    )
    if any(found.beyond):
        where = " and ".join(w for w, is_so in zip(("below", "above"), found.beyond, strict=True)
                             if is_so)  # fmt: skip
        yield f"What is {where} that scale has the colour of its end; numbers and lines go on"
    if found.holes:
        yield "Where there is no number maps are grey and lines have gaps"
    if len(found.numbers) < len(comparison.times):
        every = found.numbers[1] - found.numbers[0]
        which = f"every {_ordinal(every)} and the last" if len(found.numbers) > 2 else "two"
        yield (
            f"To keep the page small it has {len(found.numbers)} of {len(comparison.times)} "
            f"frames, {which}" + ("" if len(found.numbers) > 2 else ", the first and the last")
        )
    if found.shape != header.shape:
        blocks = " × ".join(map(str, found.shape))
        yield (
            f"To keep the page small its pictures are means over blocks of cells, {blocks} of them"
        )


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def ranking(comparison: Comparison) -> Iterator[str]:
    """Say which run reaches an error most cheaply, a line for each."""
    for rank in comparison.ranking:
        yield (
            f"To an error of {number(rank.error)}: {rank.label}, {number(rank.seconds)} s "
            f"(its error is {number(rank.reached, 2)})"
        )


def resolved(header: store.Header) -> str:
    """Return the resolved scenario, a key to a line."""
    found = header.plain
    return json.dumps(found, indent=2, ensure_ascii=False) if found else header.resolved


def sentences(parts: Iterable[str]) -> str:
    """Return parts as sentences."""
    return " ".join(f"{part}." for part in parts)


def balance(comparison: Comparison) -> str:
    """Say how well the ledger closes."""
    drifts = [row.mass_drift for row in comparison.rows if row.mass_drift is not None]
    if not drifts:
        return "No balance is kept: each application weighs the content anew."
    known = [drift for drift in drifts if not math.isnan(drift)]
    inside = any(row.accounts for row in comparison.rows)
    closed = "Nothing comes in or goes out" if not inside else "What came in is told by account"
    if not known:
        return f"{closed}; what is left unexplained cannot be told, for values that are no numbers."
    where = "" if known == drifts else ", where values are numbers"
    return (
        f"{closed}; what is left unexplained is at most {number(max(known, default=0.0), 2)} of "
        f"all that was there and went through{where}."
    )
