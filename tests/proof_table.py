"""The table of figures: what the proofs measured, as Markdown to read and as JSON to compare."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path

import pytest

PROPERTY = "figure"
COLUMNS = ("figure", "value", "unit", "limit", "outcome", "test")
VERSIONS = ("diffusim", "numpy", "scipy", "numba", "h5py")


def plain(value: object) -> object:
    """Turn a numpy scalar into a number that JSON and other processes understand."""
    return value.item() if hasattr(value, "item") else value


class ProofTable:
    """Gathers figures from the reports of a session, wherever the tests ran."""

    def __init__(self) -> None:
        self.figures: list[dict[str, object]] = []
        self.proofs: dict[str, str] = {}
        self.seconds = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "proof" not in report.keywords:
            return
        self.seconds += report.duration
        if report.outcome != "passed" or report.when == "call":
            self.proofs[report.nodeid] = report.outcome
        if report.when == "call":
            self.figures += [
                {**entry, "outcome": report.outcome, "test": report.nodeid}
                for key, entry in report.user_properties
                if key == PROPERTY
            ]

    def as_record(self) -> dict[str, object]:
        return {
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "versions": {name: _version(name) for name in VERSIONS},
            "proofs": self.proofs,
            "seconds": round(self.seconds, 1),
            "figures": sorted(self.figures, key=lambda row: (str(row["test"]), str(row["figure"]))),
        }

    def as_markdown(self) -> str:
        record = self.as_record()
        passed = sum(outcome == "passed" for outcome in self.proofs.values())
        versions = ", ".join(f"{name} {found}" for name, found in record["versions"].items())
        head = [
            "# Figures measured by the proofs",
            "",
            f"{passed} of {len(self.proofs)} proofs passed in {record['seconds']} s. "
            f"{record['machine']}, Python {record['python']}, {versions}.",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "|" + " --- |" * len(COLUMNS),
        ]
        rows = [
            "| " + " | ".join(_cell(row[column]) for column in COLUMNS) + " |"
            for row in record["figures"]
        ]
        failed = [
            f"* {outcome}: {test}" for test, outcome in self.proofs.items() if outcome != "passed"
        ]
        return "\n".join(head + rows + ([""] + failed if failed else [])) + "\n"

    def write(self, folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        markdown, record = folder / "proof.md", folder / "proof.json"
        markdown.write_text(self.as_markdown(), encoding="utf-8")
        record.write_text(json.dumps(self.as_record(), indent=2) + "\n", encoding="utf-8")
        return [markdown, record]


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
