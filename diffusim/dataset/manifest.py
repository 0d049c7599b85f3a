"""What is told of a dataset beside its data: records of shards, statistics, the manifest.

Nothing here knows the time, the host, a path or how many workers there were.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffusim.atomic import StoreError

FORMAT = 1
RECORDS, MANIFEST, STATS, CARD, SCENARIO = (
    "records", "manifest.json", "stats.yaml", "README.md", "scenario.json",
)  # fmt: skip
_SUMS = "_sum"


@dataclass(frozen=True)
class Record:
    """What is known of one shard.

    Parameters
    ----------
    file : str
        Path below the dataset's folder.
    split : str
        ``train``, ``valid`` or ``test``.
    trajectories : tuple of int
        The first and the last of them.
    seeds : tuple of int
        Theirs, in order.
    sha256 : str
        Of the file.
    size : int
        Of the file, in bytes.
    checks : dict
        The least and the greatest of each check.
    sums : dict
        Sums over all its trajectories, exact to the last bit.
    digest : str
        Of the recipe.
    """

    file: str
    split: str
    trajectories: tuple[int, int]
    seeds: tuple[int, ...]
    sha256: str
    size: int
    checks: dict[str, tuple[float | None, float | None]]
    sums: dict[str, float | None]
    digest: str

    def as_json(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Record:
        """Return the record that JSON holds.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it holds none.
        """
        first, last = map(int, values["trajectories"])
        return cls(
            str(values["file"]), str(values["split"]), (first, last),
            tuple(map(int, values["seeds"])), str(values["sha256"]), int(values["size"]),
            {name: (low, high) for name, (low, high) in values["checks"].items()},
            dict(values["sums"]), str(values["digest"]),
        )  # fmt: skip


def read_record(path: Path, digest: str) -> Record | None:
    """Return a record that is whole and of this recipe; anything else is none."""
    try:
        record = Record.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if record.digest == digest else None


def extremes(
    checks: Sequence[Mapping[str, float]],
) -> tuple[dict[str, tuple[float | None, float | None]], dict[str, float | None]]:
    """Return the least and greatest of every check, and the exact sums of those that are sums.

    Numbers that are not finite, which JSON does not know, become None.
    """
    ranges, sums = dict[str, tuple[float | None, float | None]](), dict[str, float | None]()
    for name in checks[0]:
        values = [float(each[name]) for each in checks]
        finite = all(map(math.isfinite, values))
        if _SUMS in name:
            sums[name] = math.fsum(values) if finite else None
        else:
            ranges[name] = (min(values), max(values)) if finite else (None, None)
    return ranges, sums


def versions() -> dict[str, str]:
    """Versions of everything that could change a bit of a dataset."""
    packages = ("diffusim", "numpy", "scipy", "numba", "h5py")
    found = {name: version(name) for name in packages}
    return {**found, "python": platform.python_version(), "machine": platform.machine()}


# --- statistics ---------------------------------------------------------------------------------


class Statistics:
    """Sums over the shards of the training split, from which mean values and spreads follow.

    Shards must come in their order. The sums of a shard are exact, and so is their total, whoever
    made which shard.
    """

    def __init__(self, cells: int, frames: int) -> None:
        self._cells, self._frames = cells, frames
        self._sums: dict[str, list[float | None]] = {}
        self._count = 0

    def add(self, record: Record) -> None:
        """Take the sums of a shard in."""
        for name, value in record.sums.items():
            self._sums.setdefault(name, []).append(value)
        self._count += record.trajectories[1] - record.trajectories[0] + 1

    def table(self, fields: Sequence[str], maps: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return mean, std, rms of each field, and of its changes between frames."""
        found: dict[str, dict[str, float]] = {
            f"{word}{kind}": {} for kind in ("", "_delta") for word in ("mean", "std", "rms")
        }
        for name in (*fields, *maps):
            frames = self._frames if name in fields else 1
            self._one(found, name, "", frames, "sum", "sum_of_squares")
            if name in fields and frames > 1:
                self._one(found, name, "_delta", frames - 1, *("sum_of_changes",
                          "sum_of_changes_squared"))  # fmt: skip
        return found

    def _one(
        self, found: dict[str, dict[str, float]], name: str, kind: str, frames: int,
        plain: str, squares: str,
    ) -> None:  # fmt: skip
        number = self._count * frames * self._cells
        mean = self._total(f"{name}_{plain}") / number
        square = self._total(f"{name}_{squares}") / number
        found[f"mean{kind}"][name] = mean
        found[f"std{kind}"][name] = math.sqrt(max(0.0, square - mean * mean))
        found[f"rms{kind}"][name] = math.sqrt(square)

    def _total(self, name: str) -> float:
        values = self._sums.get(name, [])
        known = [value for value in values if value is not None]
        return math.fsum(known) if len(known) == len(values) and known else math.nan


def stats_text(table: Mapping[str, Mapping[str, float]]) -> str:
    """Return statistics as YAML that readers of both of its versions take for numbers."""
    lines = []
    for kind, values in table.items():
        lines.append(f"{kind}:" if values else f"{kind}: {{}}")
        lines += [f"  {name}: {_number(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    # YAML 1.1 takes 1e-05 for a text, and wants a point and a sign.
    return f"{value:.17e}" if math.isfinite(value) else ".nan"


# --- the manifest -------------------------------------------------------------------------------


def manifest_text(head: Mapping[str, Any], records: Iterable[Record]) -> str:
    """Return the manifest as JSON, a shard on each line."""
    begin = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
    shards = ",\n  ".join(record.as_json() for record in records)
    return f'{begin},\n "shards": [\n  {shards}\n ]\n}}\n'


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a dataset with its `Record`s under ``shards``; None if there is none.

    Raises
    ------
    StoreError
        There is one, and it cannot be read.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found["shards"] = [Record.of(each) for each in found["shards"]]
        for key, kind in (("digest", str), ("dataset", str), ("files", dict), ("scenario", dict),
                          ("fields", list), ("maps", list), ("cells", int), ("frames", int),
                          ("splits", dict)):  # fmt: skip
            if not isinstance(found[key], kind):
                raise TypeError(key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StoreError(
            f"{path} cannot be read: it is damaged or no manifest ({problem})."
        ) from None
    return dict(found)
