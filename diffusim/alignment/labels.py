"""Labels for the runs of several results, in the order of their scenarios."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from diffusim.store import Header, Stored, StoredRun


def in_order(stored: Stored) -> list[StoredRun]:
    """Return the runs as the scenario has them; groups of a file come by the alphabet."""
    order = list(stored.extra.get("order", []))
    rank = {label: place for place, label in enumerate(order)}
    return sorted(stored.runs.values(), key=lambda run: rank.get(run.label, len(order)))


def names_of(results: Sequence[Stored]) -> dict[int, str]:
    """Return what notes call each result, by its ``id``: its folder and file, not the way there.

    Notes are passed on with a report; where somebody keeps their files is not.
    """
    found: dict[int, str] = {}
    for stored in results:
        path = stored.path.resolve()
        plain = f"{path.parent.name}/{path.name}".lstrip("/")
        names = (plain, *(f"{plain} ({n})" for n in range(2, 999)))
        found[id(stored)] = next(name for name in names if name not in found.values())
    return found


def labelled(results: Sequence[Stored]) -> Iterator[tuple[str, Stored, StoredRun]]:
    """Yield every run with a label of its own.

    One that an earlier result has already gets the name of its result's folder before it, and a
    number where that is not enough.
    """
    taken: set[str] = set()
    for stored in results:
        for run in in_order(stored):
            before = stored.path.parent.name or stored.path.stem
            names = (run.label, *(f"{before}{n}/{run.label}" for n in ("", *range(2, 999))))
            free = next(name for name in names if name not in taken)
            taken.add(free)
            yield free, stored, run


def asked(header: Header) -> dict[str, int]:
    """Return the labels of a scenario's methods, with their rank; none where it does not tell."""
    methods = header.plain.get("methods")
    told = [m for m in methods if isinstance(m, dict)] if isinstance(methods, list) else []
    named = dict.fromkeys(str(m.get("label") or m.get("kind")) for m in told)
    return {label: rank for rank, label in enumerate(named)}


def asked_for(header: Header, labels: Collection[str]) -> set[str]:
    """Return the labels of runs that a scenario asks for; references it got besides are none."""
    named = asked(header)
    if not named:
        return set(labels)
    return set(labels) & {*named, *({header.reference} if header.plain.get("reference") else set())}
