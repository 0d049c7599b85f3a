"""The page: a template filled with tables, figures, frames and sentences, all of them escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from diffusim import quantities, store, style
from diffusim.comparison import Comparison, Trajectory
from diffusim.pictures import MARK
from diffusim.plots import shown
from diffusim.plots.colours import table
from diffusim.report import embedded, tables, words
from diffusim.report.levels import Levels, as_plain
from diffusim.report.shapes import shapes


@cache
def _part(name: str) -> str:
    return files("diffusim.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def policy(script: str, look: str) -> str:
    """Return what a browser may do with the page: run this script, use this style, nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(look)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def assembled(
    header: store.Header,
    runs: Mapping[str, Trajectory],
    comparison: Comparison,
    frames: Levels,
    figures: list[embedded.Picture],
    parts: Mapping[str, float],
    notes: Sequence[str],
    name: str,
) -> str:
    """Return the page as HTML; ``name`` is that of its file."""
    script, look = _part("page.js"), _part("page.css")
    verdict = words.verdict(comparison)
    good, bad = verdict.startswith("All as"), verdict.startswith("Not as")
    against = escape(f", against {comparison.ranked_against}" * bool(comparison.ranked_against))
    ranking = [f"<li>{escape(line)}.</li>" for line in words.ranking(comparison)]
    measures = tables.measures(comparison)
    # What was looked for is what the page is about, so it is not told among the remarks.
    found = [str(note) for note in header.extra.get("found", [])]
    return Template(_part("page.html")).substitute(
        policy=escape(policy(script, look)), mark=MARK, style=look, script=script,
        title=escape(header.title or "A run"), verdict=escape(verdict),
        mood="good" if good else "bad" if bad else "plain",
        lead=escape(words.lead(header, comparison, list(runs))),
        found="".join(f'<p class="lead">{escape(_sentence(note[:1].upper() + note[1:]))}</p>'
                      for note in found),
        verdicts=tables.verdicts(comparison),
        remarks="".join(f'<p class="note">{escape(_sentence(note))}</p>'
                        for note in comparison.notes if note not in found),
        ranking=f"<h3>Cheapest{against}</h3><ul>{''.join(ranking)}</ul>" if ranking else "",
        measures=_folded("Other measures of the difference", measures),
        kept=escape(words.sentences([*words.kept(header, frames, comparison), _axes(header)])),
        figures=embedded.section(figures) or "<p>No figures were drawn.</p>",
        balance=escape(words.balance(comparison)),
        ledger=tables.ledger(header, runs, comparison),
        facts=tables.facts(_facts(header, runs, parts, name)),
        notes="".join(f"<p>{escape(_sentence(note))}</p>" for note in notes),
        scenario=escape(header.scenario), resolved=escape(words.resolved(header)),
        data=as_script(_data(header, runs, frames)), payload=_payload(frames),
    )  # fmt: skip


def _folded(title: str, table: str) -> str:
    return (f'<details><summary>{title}</summary><div class="wide">{table}</div></details>'
            if table else "")  # fmt: skip


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def as_script(value: Any) -> str:
    """Return JSON that cannot end the element it stands in, nor begin another one."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _payload(frames: Levels) -> str:
    lines = []
    for place, run in enumerate(frames.runs):
        parts = {"frames": run.frames, "fine": run.fine, "apart": run.apart}
        lines += [f'<script type="text/plain" id="{name}-{place}">{packed.text}</script>'
                  for name, packed in parts.items() if packed]  # fmt: skip
    return "\n".join(lines)


def _data(header: store.Header, runs: Mapping[str, Trajectory], frames: Levels) -> dict[str, Any]:
    found = as_plain(frames)
    places = shown.places(header, runs)
    for run in found["runs"]:
        run["colour"] = style.colour(places[run["label"]])
        run["chance"] = shown.by_chance(runs[run["label"]])
    box = shown.box(header)
    per, clock = shown.time_axis(header)
    times = [float(header.times[number]) for number in frames.numbers]
    maps = {"field": style.FIELD, "signed": style.ERROR, "size": style.SIZE}
    return {
        **found,
        "name": frames.look.name,
        # Lines and readouts show one number, of a picture in colours the mean.
        "one": frames.look.name if frames.look.planes == 1 else shown.name(header),
        "unit": quantities.unit(frames.look.unit),
        "axes": [{"name": n, "ends": box.ends(k)} for k, n in enumerate(header.axes)],
        "length": box.unit,
        "ratio": box.ratio,
        "times": [words.moment(header, time) for time in times],
        "moments": [time / per for time in times],
        "clock": clock,
        "shapes": shapes(header, frames.numbers),
        "colours": {k: base64.b64encode(table(v).tobytes()).decode() for k, v in maps.items()},
    }


def _axes(header: store.Header) -> str:
    box = shown.box(header)
    ends = [
        f"{name} {way} from {words.number(low, 4)} to {words.number(high, 4)} {box.unit}"
        for name, way, (low, high) in zip(
            header.axes, ("to the right", "upwards"), map(box.ends, (0, 1)[: len(header.axes)]),
            strict=False)
    ]  # fmt: skip
    if len(ends) == 1:
        clock = "time" if header.clock == "seconds" else header.clock
        return f"The maps have {ends[0]}, and {clock} upwards, frame by frame"
    narrow = "; the box is too narrow to be drawn to scale" if box.aspect == "auto" else ""
    return f"The maps have {ends[0]} and {ends[1]}{narrow}"


def _facts(
    header: store.Header, runs: Mapping[str, Trajectory], parts: Mapping[str, float], page: str
) -> dict[str, str]:
    channels = f", {len(header.channels)} channels" if header.channels else ""
    stored = (
        f"{words.counted(len(header.times), 'frame')} of {words.cells(header.shape)}{channels}, "
        f"{words.counted(len(runs), 'run')}"
    )
    versions = ", ".join(f"{name} {number}" for name, number in header.versions.items())
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())
    return {
        "stored": escape(stored),
        "reference": escape(header.reference or ""),
        "seed": str(header.seed),
        "digest of the scenario": escape(header.digest),
        "versions": escape(versions),
        "where the time went": escape(times),
        **_again(header, page),
    }


def _again(header: store.Header, page: str) -> dict[str, str]:
    """How to make figures and page anew, where they are of one result."""
    if not isinstance(header, store.Stored):
        return {}
    name, place = header.path.name, ", in the folder of the run"
    verbs = {"the figures again": f"show {name}",
             "this page again": f"compare {name} --report {page}"}  # fmt: skip
    return {what: f"<code>diffusim {escape(verb)}</code>{place}" for what, verb in verbs.items()}
