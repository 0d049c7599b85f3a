"""What is told of a dataset beside its data: records of shards, statistics, the manifest.

Nothing here knows the time, the host, a path or how many workers there were.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffusim.atomic import StoreError
from diffusim.files import sha256

FORMAT = 1
RECORDS, MANIFEST, STATS, CARD = "records", "manifest.json", "stats.yaml", "README.md"
# What statistics are made of, as `diffusim.loops.moments` finds it.
MOMENTS = ("mean", "variance", "mean_of_changes", "variance_of_changes")
# Whoever publishes a dataset says below it under which terms; the rest of the card is ours.
LICENCE = "## Licence"


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
    moments : dict
        Means and variances over all its trajectories, by the names of fields and `MOMENTS`.
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
    moments: dict[str, float | None]
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
            dict(values["moments"]), str(values["digest"]),
        )  # fmt: skip


def read_record(path: Path, digest: str) -> Record | None:
    """Return a record that is whole and of this recipe; anything else is none."""
    try:
        record = Record.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if record.digest == digest else None


def is_whole(folder: Path, record: Record) -> bool:
    """Whether a shard lies in the dataset's folder as it was written."""
    try:
        return sha256(folder / record.file) == record.sha256
    except OSError:
        return False


def digest_of(path: Path) -> str:
    """Return the sha256 of a file beside the data, of the card up to its licence only.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if path.name != CARD:
        return sha256(path)
    return hashlib.sha256(path.read_bytes().partition(f"\n{LICENCE}".encode())[0]).hexdigest()


def extremes(
    checks: Sequence[Mapping[str, float]],
) -> dict[str, tuple[float | None, float | None]]:
    """Return the least and greatest of every check; None, as JSON has it, where not all are finite.

    Parameters
    ----------
    checks : sequence of mapping
        Of each trajectory.
    """
    ranges = dict[str, tuple[float | None, float | None]]()
    for name in checks[0]:
        values = [float(each[name]) for each in checks]
        finite = all(map(math.isfinite, values))
        ranges[name] = (min(values), max(values)) if finite else (None, None)
    return ranges


def of_all(statistics: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    """Return the moments of trajectories together, which are all of the same length.

    Parameters
    ----------
    statistics : sequence of mapping
        Of each trajectory, as `diffusim.dataset.shards.moments_of` finds them.
    """
    found = dict[str, float | None]()
    alike = [1] * len(statistics)
    names = list(statistics[0])
    for mean, variance in zip(names[::2], names[1::2], strict=True):
        means = [each[mean] for each in statistics]
        both = pooled(means, [each[variance] for each in statistics], alike)
        for name, value in zip((mean, variance), both, strict=True):
            found[name] = value if math.isfinite(value) else None
    return found


def versions() -> dict[str, str]:
    """Versions of everything that could change a bit of a dataset."""
    packages = ("diffusim", "numpy", "scipy", "numba", "h5py")
    found = {name: version(name) for name in packages}
    return {**found, "python": platform.python_version(), "machine": platform.machine()}


# --- statistics ---------------------------------------------------------------------------------


class Statistics:
    """Moments of the shards of the training split, from which those of all of it follow.

    Shards must come in their order. Every sum is exact but for its last bit, so the result does not
    depend on who made which shard.
    """

    def __init__(self) -> None:
        self._moments: dict[str, list[float]] = {}
        self._counts: list[int] = []

    def add(self, record: Record) -> None:
        """Take the moments of a shard in."""
        for name, value in record.moments.items():
            known = self._moments.setdefault(name, [])
            known.append(math.nan if value is None else value)
        self._counts.append(record.trajectories[1] - record.trajectories[0] + 1)

    def table(self, field: str, maps: Sequence[str], frames: int) -> dict[str, dict[str, float]]:
        """Return mean, std, rms of field and maps, of changes too if there are several frames."""
        found: dict[str, dict[str, float]] = {
            f"{word}{kind}": {} for kind in ("", "_delta") for word in ("mean", "std", "rms")
        }
        for name in (field, *maps):
            self._one(found, name, "", *MOMENTS[:2])
            if name == field and frames > 1:
                self._one(found, name, "_delta", *MOMENTS[2:])
        return found

    def _one(
        self, found: dict[str, dict[str, float]], name: str, kind: str, mean: str, variance: str
    ) -> None:
        means, variances = (self._moments.get(f"{name}_{word}", []) for word in (mean, variance))
        whole = len(means) == len(variances) == len(self._counts) > 0
        middle, spread = pooled(means, variances, self._counts) if whole else (math.nan, math.nan)
        found[f"mean{kind}"][name] = middle
        found[f"std{kind}"][name] = math.sqrt(spread)
        found[f"rms{kind}"][name] = math.sqrt(spread + middle * middle)


def pooled(
    means: Sequence[float], variances: Sequence[float], counts: Sequence[int]
) -> tuple[float, float]:
    """Return mean and variance of parts together, NaN if one of them is not finite.

    Parameters
    ----------
    means, variances : sequence of float
        Of each part.
    counts : sequence of int
        How large it is.
    """
    if not all(map(math.isfinite, (*means, *variances))):
        return math.nan, math.nan
    total = sum(counts)
    try:
        mean = math.fsum(n * m for n, m in zip(counts, means, strict=True)) / total
        apart = (n * (v + (m - mean) * (m - mean))
                 for n, m, v in zip(counts, means, variances, strict=True))  # fmt: skip
        return mean, math.fsum(apart) / total
    except OverflowError:
        return math.nan, math.nan


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
        if not found["shards"]:
            raise ValueError("it names no shards")
        for key, kind in (("digest", str), ("dataset", str), ("files", dict), ("scenario", dict),
                          ("field", str), ("maps", list), ("cells", int), ("frames", int),
                          ("splits", dict), ("versions", dict)):  # fmt: skip
            if not isinstance(found[key], kind):
                raise TypeError(key)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise StoreError(
            f"{path} cannot be read: it is damaged or no manifest ({problem})."
        ) from None
    return dict(found)
