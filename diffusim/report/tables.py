"""Tables of a report: verdicts, finer measures, the ledger of the content, facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape

from diffusim import quantities, store
from diffusim.comparison import Comparison, Gap, Row, Trajectory
from diffusim.report.words import along, number
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, REFERENCE

# How a verdict looks; what is in none of these is an alarm.
_CALM = {AS_PREDICTED: "good", REFERENCE: "plain", NOT_JUDGED: "plain"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table of cells that are HTML already; on a narrow screen each row is a list.

    The first cell of a row is its head. Cells know the head of their column, for narrow screens.
    """
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = []
    for first, *cells in rows:
        rest = "".join(f'<td data-head="{escape(head)}">{cell}</td>' if cell else "<td></td>"
                       for head, cell in zip(heads[1:], cells, strict=True))  # fmt: skip
        lines.append(f'<tr><th scope="row">{first}</th>{rest}</tr>')
    body = "\n".join(lines)
    return (f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{top}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody></table>")  # fmt: skip


def verdicts(comparison: Comparison) -> str:
    """Return the verdict table."""
    # What matters most comes first, lest it be cut off where a screen is narrow.
    heads = ["run", "verdict", "limit", "reference", "L2, last", "L2, worst", "expected", "ratio",
             "p", "mass drift", "seconds"]  # fmt: skip
    lines = [line for row in comparison.rows for line in _lines(row)]
    return table(*_filled(heads, lines), "Relative errors against the reference of a run's limit")


def _lines(row: Row) -> Iterator[list[str]]:
    led = row.verdict == REFERENCE
    yield [
        _name(row.label),
        _verdict(row.verdict, row.reason),
        escape(row.limit),
        "" if led else _name(row.reference),
        *("" if led else number(value) for value in (row.l2, row.worst_l2)),
        *(number(value) for value in (row.expected, row.ratio, row.p_value)),
        number(row.mass_drift, 2),
        # Nothing is done in no time: what other programs stored does not tell.
        number(row.seconds) if row.seconds else "",
    ]
    if row.gap:
        yield _gap(row.label, row.gap)


def _gap(label: str, gap: Gap) -> list[str]:
    return [
        f"{_name(label)} <small>against {escape(gap.reference)}</small>",
        _verdict(gap.verdict, gap.reason),
        "",
        "",
        *(number(value) for value in (gap.l2, gap.worst_l2, gap.expected, gap.ratio)),
        "",
        "",
        "",
    ]


def _name(label: str) -> str:
    # A run of another result has that one's name before its own, and may be broken there.
    return escape(label).replace("/", "/<wbr>")


def _verdict(verdict: str, reason: str) -> str:
    look = _CALM.get(verdict, "bad")
    why = f" <small>{escape(reason)}</small>" if reason else ""
    return f'<span class="{look}">{escape(verdict)}</span>{why}'


def _filled(heads: list[str], lines: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave out the columns that hold nothing."""
    kept = [k for k in range(len(heads)) if k == 0 or any(line[k] for line in lines)]
    return [heads[k] for k in kept], [[line[k] for k in kept] for line in lines]


def measures(comparison: Comparison) -> str:
    """Return the finer measures of the last frame, nothing where there are none."""
    heads = ["run", "L1", "L∞", "H1", "by wavelength in cells", "total variation", "transport",
             "displacement", "negative", "steps"]  # fmt: skip
    rows = [row for row in comparison.rows if row.verdict != REFERENCE]
    lines = [
        [
            _name(row.label),
            *map(number, (row.l1, row.linf, row.h1)),
            _of_each(row.bands),
            number(row.variation),
            _of_each(row.transport, along),
            _of_each(row.displacement, along),
            number(row.negative) if row.negative else "",
            str(row.steps or ""),
        ]
        for row in rows
    ]
    if not lines:
        return ""
    return table(*_filled(heads, lines), "In the last frame, relative where no unit is given")


def _plainly(_name: str, value: float) -> str:
    return number(value)


def _of_each(values: Mapping[str, float], words: Callable[[str, float], str] = _plainly) -> str:
    return "<br>".join(escape(f"{name}: {words(name, value)}") for name, value in values.items())


def ledger(header: store.Header, runs: Mapping[str, Trajectory], comparison: Comparison) -> str:
    """Return what there was at first, what came in by each account, and what is unexplained."""
    rows = comparison.rows
    names = list(dict.fromkeys(name for row in rows for name in row.accounts))
    unit = quantities.unit(header.unit)
    inside = [f"by {name}" for name in names]
    heads = ["run", "at first", *inside, *(["at last"] if names else []), "unexplained, relative"]
    lines = []
    for row in rows:
        first = runs[row.label].facts.get("total") if row.label in runs else None
        last = first + sum(row.accounts.values()) if isinstance(first, int | float) else None
        accounts = [_signed(row.accounts.get(name)) for name in names]
        accounts += [number(last, 6)] if names else []
        lines.append([_name(row.label), number(first, 6), *accounts, number(row.mass_drift, 2)])
    caption = f"Content in {unit} times volume" if unit else "Content, in field units times volume"
    return table(*_filled(heads, lines), caption)


def _signed(value: float | None) -> str:
    return ("+" if value and value > 0 else "") + number(value, 6)


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values as a list of definitions; the values are HTML already."""
    return "".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in pairs.items() if v)
